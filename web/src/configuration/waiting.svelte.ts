/**
 * What was said without a connection: kept in this browser, sent with its key when there is one, so that nothing is said twice.
 * Each record is an entry of its own in the store: two tabs never overwrite each other's. What the platform refuses stays, with its
 * answer, until a person has chosen a way out.
 */

import { ApiError } from "../api/http";
import { session } from "../app/session.svelte";
import { findingsOf, sayAll, type Done, type Finding, type Said } from "./model";

const PREFIX = "gemel.said.";
const AGAIN_MS = 20_000;
/** In one request. */
const AT_ONCE = 200;

export interface Kept extends Said {
  key: string;
  /** Whose it is: nobody else's session sends it. */
  by: string;
  /** When it was written down here, ms. */
  made: number;
  /** What it is about, in words. */
  title: string;
  /** The platform's answer, once it refused. */
  refused: { code: string; detail: string; findings: Finding[] } | null;
}

class Waiting {
  list = $state.raw<Kept[]>(read());
  busy = $state(false);
  /** Rises when something came to the platform: pages read again. */
  arrived = $state(0);
  private timer: ReturnType<typeof setInterval> | undefined;

  get mine(): Kept[] {
    return this.list.filter((one) => one.by === session.me?.id);
  }
  get conflicts(): Kept[] {
    return this.mine.filter((one) => one.refused);
  }

  /** Begins to send what waits, now and whenever there may be a connection again. */
  start(): void {
    if (this.timer) return;
    addEventListener("storage", (event) => event.key?.startsWith(PREFIX) && (this.list = read()));
    addEventListener("online", () => void this.send());
    this.timer = setInterval(() => void this.send(), AGAIN_MS);
    void this.send();
  }

  /** Keeps something for later. */
  keep(said: Said & { basis: { key: string } }, title: string): void {
    this.put({ ...said, key: said.basis.key, by: session.me?.id ?? "", made: Date.now(), title, refused: null });
  }

  put(kept: Kept): void {
    localStorage.setItem(PREFIX + kept.key, JSON.stringify(kept));
    this.list = read();
  }

  drop(key: string): void {
    localStorage.removeItem(PREFIX + key);
    this.list = read();
  }

  /** Says it once more, as it is now. */
  async again(kept: Kept): Promise<void> {
    this.put({ ...kept, refused: null });
    await this.send();
  }

  /** In the order in which they were written down; a refused one does not hold up the others. */
  async send(): Promise<void> {
    if (this.busy || session.state !== "ready") return;
    const due = this.mine.filter(({ refused }) => !refused).slice(0, AT_ONCE);
    if (!due.length) return;
    this.busy = true;
    try {
      const answers = await sayAll(due);
      due.forEach((one, index) => this.answered(one, answers[index]));
    } catch (error) {
      if (!waitsFor(error)) await this.each(due); // one of them it may be that the platform cannot take
    } finally {
      this.busy = false;
    }
  }

  /** One by one: what the platform cannot take is told, and holds up none of the others. */
  private async each(due: readonly Kept[]): Promise<void> {
    for (const one of due) {
      try {
        this.answered(one, (await sayAll([one]))[0]);
      } catch (error) {
        if (waitsFor(error)) return;
        if (error instanceof ApiError && !isLater(error)) this.answered(one, { outcome: null, problem: { status: error.status, code: error.code, detail: error.message, ...error.about } });
      }
    }
  }

  private answered(one: Kept, answer: Done | undefined): void {
    if (answer?.outcome) {
      this.drop(one.key);
      this.arrived++;
    } else if (answer?.problem && !isLater(answer.problem)) {
      this.put({ ...one, refused: { code: answer.problem.code, detail: answer.problem.detail, findings: findingsOf(answer.problem) } });
    }
  }
}

/** No answer, or one that says nothing of what was asked: it is tried again. A fault of the platform's own (500) comes again. */
export const isLater = ({ status }: { status: number }): boolean => status === 0 || status > 500 || status === 401 || status === 429;
/** Nothing else would be answered now either. */
export const waitsFor = (error: unknown): boolean => !(error instanceof ApiError) || [0, 401, 429, 503, 507].includes(error.status);

function read(): Kept[] {
  const found: Kept[] = [];
  for (let i = 0; i < localStorage.length; i++) {
    const key = localStorage.key(i)!;
    if (key.startsWith(PREFIX)) found.push(JSON.parse(localStorage.getItem(key)!) as Kept);
  }
  return found.sort((a, b) => a.made - b.made);
}

export const waiting = new Waiting();
