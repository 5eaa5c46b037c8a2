/**
 * Forms that were filled in without a connection: kept in this browser, handed in with their key when there is one, so that each is
 * taken once. What the platform refuses stays, with its answer, until a person has chosen a way out.
 */

import { ApiError } from "../api/http";
import { session } from "../app/session.svelte";
import { isLater, waitsFor } from "../configuration/waiting.svelte";
import { handIn, type Fault, type Filled, type Filling, type Form } from "./model";

const PREFIX = "gemel.form.";
const AGAIN_MS = 20_000;

export interface KeptForm extends Filling {
  title: string;
  /** The form as it was filled in: it may be offered no more once there is an answer. */
  asked?: Form;
  /** Whose it is: nobody else's session hands it in. */
  by: string;
  /** The platform's answer, once it refused. */
  refused: { detail: string; faults: Fault[] } | null;
}

/** There is no room for it in the browser, and no connection. */
export class NoRoom extends Error {}

class KeptForms {
  list = $state.raw<KeptForm[]>(read());
  /** Rises when one came to the platform: pages read again. */
  arrived = $state(0);
  private busy = false;
  private timer: ReturnType<typeof setInterval> | undefined;

  get mine(): KeptForm[] {
    return this.list.filter((one) => one.by === session.me?.id);
  }
  get conflicts(): KeptForm[] {
    return this.mine.filter((one) => one.refused);
  }

  start(): void {
    if (this.timer) return;
    addEventListener("storage", (event) => event.key?.startsWith(PREFIX) && (this.list = read()));
    addEventListener("online", () => void this.send());
    this.timer = setInterval(() => void this.send(), AGAIN_MS);
    void this.send();
  }

  /** Hands it in now, or keeps it for later (null). Throws what the platform refuses, and NoRoom. */
  async tell(filling: Filling, asked: Form): Promise<Filled | null> {
    try {
      const done = await this.handedIn(filling);
      this.drop(filling.key);
      this.arrived++;
      return done;
    } catch (error) {
      if (!(error instanceof ApiError) || !isLater(error) || error.status === 401) throw error;
      this.put({ ...filling, title: asked.title, asked, by: session.me?.id ?? "", refused: null });
      return null;
    }
  }

  drop(key: string): void {
    localStorage.removeItem(PREFIX + key);
    this.list = read();
  }

  /** Hands it in once more, as it is now. */
  async again(kept: KeptForm): Promise<void> {
    this.put({ ...kept, refused: null });
    await this.send();
  }

  private put(kept: KeptForm): void {
    try {
      localStorage.setItem(PREFIX + kept.key, JSON.stringify(kept));
    } catch {
      throw new NoRoom();
    }
    this.list = read();
  }

  /** Where there is no room for the answer, it is shown until the page is left. */
  private refuse(kept: KeptForm): void {
    try {
      this.put(kept);
    } catch (error) {
      if (!(error instanceof NoRoom)) throw error;
      this.list = this.list.map((one) => (one.key === kept.key ? kept : one));
    }
  }

  private async handedIn(filling: Filling): Promise<Filled> {
    const [taken] = await handIn(filling);
    if (taken?.filled) return taken.filled;
    const { status, code, detail, ...about } = taken?.problem ?? { status: 0, code: "unreachable", detail: "" };
    throw new ApiError(status, code, detail, about);
  }

  async send(): Promise<void> {
    if (this.busy || session.state !== "ready") return;
    this.busy = true;
    try {
      for (const one of this.mine.filter(({ refused }) => !refused)) {
        const { title: _title, asked: _asked, by: _by, refused: _refused, ...filling } = one;
        try {
          await this.handedIn(filling);
          this.drop(one.key);
          this.arrived++;
        } catch (error) {
          if (!(error instanceof ApiError)) throw error;
          if (waitsFor(error)) return;
          if (isLater(error)) continue;
          this.refuse({ ...one, refused: { detail: error.message, faults: faultsOf(error) } });
        }
      }
    } finally {
      this.busy = false;
    }
  }
}

/** What is wrong with which answer, as a refusal tells it. */
export const faultsOf = (error: unknown): Fault[] => (error instanceof ApiError && Array.isArray(error.about.problems) ? (error.about.problems as Fault[]) : []);

function read(): KeptForm[] {
  const found: KeptForm[] = [];
  for (let i = 0; i < localStorage.length; i++) {
    const key = localStorage.key(i)!;
    if (key.startsWith(PREFIX)) found.push(JSON.parse(localStorage.getItem(key)!) as KeptForm);
  }
  return found.sort((a, b) => a.at.localeCompare(b.at));
}

export const keptForms = new KeptForms();
