import { ref } from "vue";

export type Theme = "light" | "dark";

const KEPT = "cityloom_theme";
const kept = localStorage.getItem(KEPT);
const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";

export const theme = ref<Theme>(kept === "light" || kept === "dark" ? kept : system);
wear(theme.value);

export function wear(next: Theme, keep = false): void {
  theme.value = next;
  document.documentElement.dataset["theme"] = next;
  if (keep) localStorage.setItem(KEPT, next);
}
