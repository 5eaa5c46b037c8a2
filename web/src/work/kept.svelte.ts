/** Visits told without a connection: kept in this browser, sent with their key when there is one; told twice, they are one visit. */

import { ApiError } from "../api/http";
import { session } from "../app/session.svelte";
import { isLater, waitsFor } from "../configuration/waiting.svelte";
import { tellVisit, type VisitSaid } from "./model";

const PREFIX = "gemel.visit.";
const AGAIN_MS = 20_000;

export interface KeptVisit {
  order: string;
  visit: VisitSaid;
  /** Whose it is: nobody else's session sends it. */
  by: string;
  /** The platform's answer, once it refused. */
  refused: string;
}

class KeptVisits {
  list = $state.raw<KeptVisit[]>(read());
  /** Rises when one came to the platform: pages read again. */
  arrived = $state(0);
  private busy = false;
  private timer: ReturnType<typeof setInterval> | undefined;

  get mine(): KeptVisit[] {
    return this.list.filter((one) => one.by === session.me?.id);
  }

  start(): void {
    if (this.timer) return;
    addEventListener("storage", (event) => event.key?.startsWith(PREFIX) && (this.list = read()));
    addEventListener("online", () => void this.send());
    this.timer = setInterval(() => void this.send(), AGAIN_MS);
    void this.send();
  }

  /** Tells it now; false: it is kept, and told later. Throws what the platform refuses. */
  async tell(order: string, visit: VisitSaid): Promise<boolean> {
    try {
      await tellVisit(order, visit);
      this.arrived++;
      return true;
    } catch (error) {
      if (!(error instanceof ApiError) || !isLater(error) || error.status === 401) throw error;
      this.put({ order, visit, by: session.me?.id ?? "", refused: "" });
      return false;
    }
  }

  drop(key: string): void {
    localStorage.removeItem(PREFIX + key);
    this.list = read();
  }

  private put(kept: KeptVisit): void {
    localStorage.setItem(PREFIX + kept.visit.key, JSON.stringify(kept));
    this.list = read();
  }

  private async send(): Promise<void> {
    if (this.busy || session.state !== "ready") return;
    this.busy = true;
    try {
      for (const one of this.mine.filter(({ refused }) => !refused)) {
        try {
          await tellVisit(one.order, one.visit);
          this.drop(one.visit.key);
          this.arrived++;
        } catch (error) {
          if (!(error instanceof ApiError)) throw error;
          if (waitsFor(error)) return;
          if (isLater(error)) continue;
          this.put({ ...one, refused: error.message });
        }
      }
    } finally {
      this.busy = false;
    }
  }
}

function read(): KeptVisit[] {
  const found: KeptVisit[] = [];
  for (let i = 0; i < localStorage.length; i++) {
    const key = localStorage.key(i)!;
    if (key.startsWith(PREFIX)) found.push(JSON.parse(localStorage.getItem(key)!) as KeptVisit);
  }
  return found.sort((a, b) => a.visit.start.localeCompare(b.visit.start));
}

export const keptVisits = new KeptVisits();
