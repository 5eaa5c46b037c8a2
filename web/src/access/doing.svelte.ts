/** Something that was asked for: while it is under way, what came of it, what went wrong, and the way back. */

import { reasonOf } from "../api/http";

export class Doing {
  busy = $state(false);
  problem = $state("");
  /** What was done, and how to take it back. */
  done = $state.raw<{ text: string; undo?: () => Promise<void> } | null>(null);
  /** What is asked before it is done. */
  asked = $state.raw<{ text: string; verb: string; go: () => void } | null>(null);

  constructor(private readonly after: () => void) {}

  /** Whether it was done. */
  async run(work: () => Promise<unknown>, text = "", undo?: () => Promise<void>): Promise<boolean> {
    this.asked = this.done = null;
    this.problem = "";
    this.busy = true;
    try {
      await work();
      if (text) this.done = undo ? { text, undo } : { text };
      return true;
    } catch (error) {
      this.problem = reasonOf(error);
      return false;
    } finally {
      this.busy = false;
      this.after();
    }
  }
  ask(text: string, verb: string, go: () => void): void {
    this.done = null;
    this.problem = "";
    this.asked = { text, verb, go };
  }
}
