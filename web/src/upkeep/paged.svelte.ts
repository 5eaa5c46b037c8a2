/** A list that comes page by page: read anew from its beginning when what it depends on changes. */

import { reasonOf } from "../api/http";
import type { Page } from "../api/model";
import { Resource } from "../app/resource.svelte";

const MOST_EMPTY = 20;

export class Paged<T> {
  readonly read: Resource<T[]>;
  problem = $state("");
  busy = $state(false);
  cursor = $state<string | null>(null);
  private more = $state.raw<T[]>([]);

  /** Of which reading the list is: what another one answers late is dropped. */
  private turn = 0;
  /** The list is not, or not yet, of what is asked now. */
  private stale = true;

  constructor(private readonly page: (cursor: string | null, signal?: AbortSignal) => Promise<Page<T>>) {
    this.read = new Resource(async (signal) => {
      const mine = ++this.turn;
      this.stale = true;
      this.busy = false;
      const { items, next } = await this.some(null, signal);
      if (mine !== this.turn) return items;
      this.stale = false;
      this.more = [];
      this.cursor = next;
      this.problem = "";
      return items;
    });
  }

  /** Undefined: nothing was read yet. */
  get items(): T[] | undefined {
    return this.read.value && [...this.read.value, ...this.more];
  }

  /** Pages may be empty, and have a next one: on to where something is. */
  private async some(cursor: string | null, signal?: AbortSignal): Promise<Page<T>> {
    let found = await this.page(cursor, signal);
    for (let empty = 1; empty < MOST_EMPTY && !found.items.length && found.next; empty++) found = await this.page(found.next, signal);
    return found;
  }

  async next(): Promise<void> {
    if (this.busy || this.stale || !this.cursor) return;
    const mine = this.turn;
    this.busy = true;
    try {
      const { items, next } = await this.some(this.cursor);
      if (mine !== this.turn) return;
      this.more = [...this.more, ...items];
      this.cursor = next;
      this.problem = "";
    } catch (error) {
      if (mine === this.turn) this.problem = reasonOf(error);
    } finally {
      if (mine === this.turn) this.busy = false;
    }
  }
}
