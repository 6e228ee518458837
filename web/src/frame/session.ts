import { computed, ref, shallowRef } from "vue";
import { learn } from "./frame";
import { api, of, onSignedOut, signedIn, type Schema } from "@/api/client";
import { t } from "@/words";

export type Role = Schema["Role"];
type Me = Schema["Me"];
type Organisation = Schema["Organisation"];

export const me = shallowRef<Me | null>(null);
export const organisations = shallowRef<ReadonlyMap<string, Organisation>>(new Map());
/** Whether a session ended while somebody worked. */
export const lost = ref(false);

export const roles = computed(() => new Set<Role>(me.value?.roles ?? []));

export const has = (...wanted: Role[]) => wanted.some((role) => roles.value.has(role));

/** The organisation's title in the reader's language is made of this with `both`. */
export const organisation = (code: string) => organisations.value.get(code)?.title ?? { en: code, zh: code };

/** Who did something, by account: what the city does by itself is said in words. */
export const whoOf = (account: string) => (account === "platform" ? t("the_platform") : account);

onSignedOut(() => {
  if (me.value) lost.value = true;
  me.value = null;
});

async function enter(found: Me): Promise<void> {
  signedIn(found.csrf ?? "");
  if (!found.must_change_password) {
    const [listed] = await Promise.all([of(api.GET("/api/identity/organisations")), learn()]);
    organisations.value = new Map(listed.map((each) => [each.code, each]));
  }
  me.value = found;
  lost.value = false;
}

/** Goes on with the session of an earlier visit, if there is one. Throws Away. */
export async function resume(): Promise<void> {
  if (!/(^|; )(__Host-)?cityloom_csrf=/.test(document.cookie)) return;
  const { data } = await api.GET("/api/identity/session").catch(() => ({ data: undefined }));
  if (data) await enter(data);
}

export async function signIn(account: string, password: string): Promise<void> {
  await enter(await of(api.POST("/api/identity/session", { body: { account, password } })));
}

export async function changePassword(old: string, next: string): Promise<void> {
  await enter(await of(api.PUT("/api/identity/password", { body: { old, new: next } })));
}

export async function signOut(): Promise<void> {
  await of(api.DELETE("/api/identity/session"));
  me.value = null;
  lost.value = false;
}
