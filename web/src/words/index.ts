import { ref } from "vue";
import { speak } from "@/api/client";
import { en, type Key } from "./en";
import { zh } from "./zh";

export type { Key };
export type Language = "zh" | "en";

const KEPT = "cityloom_language";

function first(): Language {
  const kept = localStorage.getItem(KEPT);
  if (kept === "zh" || kept === "en") return kept;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** The reader's language; what shows words follows it. */
export const language = ref<Language>(first());
use(language.value);

export function use(next: Language): void {
  language.value = next;
  localStorage.setItem(KEPT, next);
  document.documentElement.lang = next === "zh" ? "zh-CN" : "en";
  speak(next);
}

/** The words for `key`, its `{names}` filled in. */
export function t(key: Key, filling: Record<string, string | number> = {}): string {
  const words: string = (language.value === "zh" ? zh : en)[key];
  return words.replace(/\{(\w+)\}/g, (whole, name: string) => String(filling[name] ?? whole));
}

/** A text that the city holds in both languages. */
export function both(text: { en: string; zh: string } | null | undefined): string {
  return text ? text[language.value] || text.en || text.zh : "";
}

const tag = () => (language.value === "zh" ? "zh-CN" : "en-GB");

export const count = (number: number) => new Intl.NumberFormat(tag()).format(number);

export function day(moment: string | null | undefined): string {
  if (!moment) return t("none");
  // a day without a time is that day wherever one reads it, and not midnight of Greenwich
  const at = /^\d{4}-\d{2}-\d{2}$/.test(moment) ? `${moment}T00:00` : moment;
  return new Intl.DateTimeFormat(tag(), { dateStyle: "medium" }).format(new Date(at));
}

export function minute(moment: string | null | undefined): string {
  if (!moment) return t("none");
  return new Intl.DateTimeFormat(tag(), { dateStyle: "medium", timeStyle: "short" }).format(new Date(moment));
}
