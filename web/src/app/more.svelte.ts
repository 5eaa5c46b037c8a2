/** The further pages of a list whose first one was read: each of the question that this one answered, and each once. */

import { reasonOf } from "../api/http";
import type { Page } from "../api/model";

export class More<T> {
  items = $state.raw<T[]>([]);
  cursor = $state<string | null>(null);
  problem = $state("");
  busy = $state(false);
  private read: (cursor: string) => Promise<Page<T>> = () => Promise.reject(new Error("nothing was read yet"));
  private turn = 0;

  /** The first page is there. `read`: the further ones of the same question, whatever is asked by then. */
  begin(cursor: string | null, read: (cursor: string) => Promise<Page<T>>): void {
    this.turn++;
    this.items = [];
    this.cursor = cursor;
    this.problem = "";
    this.busy = false;
    this.read = read;
  }

  async next(): Promise<void> {
    if (this.busy || !this.cursor) return;
    const mine = this.turn;
    this.busy = true;
    try {
      const page = await this.read(this.cursor);
      if (mine !== this.turn) return;
      this.items = [...this.items, ...page.items];
      this.cursor = page.next;
      this.problem = "";
    } catch (error) {
      if (mine === this.turn) this.problem = reasonOf(error);
    } finally {
      if (mine === this.turn) this.busy = false;
    }
  }
}
