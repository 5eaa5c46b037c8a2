/** Who is who: audit, grants and usage know people and programs by random ids; screens call them by name. */

import { all } from "../api/http";
import { Resource } from "../app/resource.svelte";
import { t } from "../i18n/index.svelte";
import type { Party, Token, User } from "./model";

/** All of a list, by name: ids are random. */
const named = async <T extends { name: string }>(path: string, signal: AbortSignal): Promise<T[]> =>
  (await all<T>(path, {}, { signal })).sort((one, other) => one.name.localeCompare(other.name));

export class Who {
  readonly users = new Resource((signal) => named<User>("/users", signal));
  readonly tokens = new Resource((signal) => named<Token>("/tokens", signal));
  readonly parties = new Resource((signal) => named<Party>("/parties", signal));
  private readonly names = $derived(
    new Map([
      ...(this.users.value ?? []).map((one) => [one.id, one.name || t("people.erased")] as const),
      ...(this.tokens.value ?? []).map((one) => [one.id, t("programs.token.of", { name: one.name })] as const),
    ]),
  );
  private readonly organisations = $derived(new Map((this.parties.value ?? []).map((one) => [one.id, one.name])));

  /** Of a user, a token or a device. */
  name(id: string): string {
    return this.names.get(id) ?? id;
  }
  /** Of an organisation; the operating one for an empty id. */
  party(id: string): string {
    return id ? (this.organisations.get(id) ?? id) : t("people.own");
  }
  /** Of whom a grant is to: party:<id>, user:<id>, role:<role>. */
  grantee(to: string): string {
    const name = to.slice(to.indexOf(":") + 1);
    if (to.startsWith("party:")) return this.party(name);
    return to.startsWith("role:") ? t("sharing.role", { role: t(`role.${name}` as "role.viewer") }) : this.name(name);
  }
  reload(): void {
    this.users.reload();
    this.tokens.reload();
    this.parties.reload();
  }
}
