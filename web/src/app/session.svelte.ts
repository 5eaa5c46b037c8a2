/** Who reads, where: the signed-in person, the site, and the twin types that the screens draw by. */

import { all, ApiError, get, post, remove } from "../api/http";
import type { Me, PropertyType, Role, Site, TwinType } from "../api/model";
import { reader } from "../i18n/index.svelte";
import { offline } from "../offline/offline.svelte";
import { live } from "./live.svelte";
import { units } from "./units.svelte";

class Session {
  state = $state<"starting" | "signed-out" | "nothing" | "ready" | "unreachable">("starting");
  me = $state.raw<Me | null>(null);
  site = $state.raw<Site | null>(null);
  types = $state.raw<ReadonlyMap<string, TwinType>>(new Map());
  /** Rises when types, twins or links changed: pages read again. */
  revision = $state(0);

  async start(): Promise<void> {
    this.me = null;
    try {
      this.me = await get<Me>("/me");
      await offline.belongTo(this.me.id);
      this.site = await get<Site>("/site");
      reader.zone = this.site.time_zone || "UTC";
      await this.readTypes();
      this.state = "ready";
      live.client.onRegistry(() => void this.readTypes().then(() => this.revision++));
      live.onRefused = () => (this.state = "signed-out");
      live.client.start();
    } catch (error) {
      if (error instanceof ApiError && (error.status === 401 || error.status === 403)) this.state = this.me ? "nothing" : "signed-out";
      else {
        this.state = "unreachable";
        setTimeout(() => void this.start(), 2000);
      }
    }
  }

  async signIn(name: string, password: string, code = ""): Promise<void> {
    await post("/session", { name, password, code });
    this.state = "starting";
    await this.start();
  }

  /** Makes the first administrator and signs in as them. */
  async setUp(token: string, name: string, password: string): Promise<void> {
    await post("/setup", { token, name, password });
    this.state = "starting";
    await this.start();
  }

  async signOut(): Promise<void> {
    live.client.stop();
    await remove("/session");
    await offline.forget();
    sessionStorage.clear(); // what was half done in this tab is not for the next one at it
    location.assign("/");
  }

  /** Property types of a twin of these types, first declaration wins. */
  properties(types: readonly string[]): PropertyType[] {
    const found = new Map<string, PropertyType>();
    for (const id of types) {
      for (const property of this.types.get(id)?.properties ?? []) {
        if (!found.has(property.name)) found.set(property.name, property);
      }
    }
    return [...found.values()];
  }

  /** Whether the reader has this role: what the server would refuse is not offered. */
  is(role: Role): boolean {
    return this.me?.roles.includes(role) ?? false;
  }

  typeTitle(id: string): string {
    return this.types.get(id)?.title || id;
  }

  private async readTypes(): Promise<void> {
    const [types] = await Promise.all([all<TwinType>("/types"), units.read()]);
    this.types = new Map(types.map((type) => [type.id, type]));
  }
}

export const session = new Session();
