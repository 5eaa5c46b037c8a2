/** The charts' range as the address has it: both ways, so that links and the back button bring it back. */

import { untrack } from "svelte";

import { TimeView, type Range } from "../charts/view";
import { live } from "./live.svelte";
import { rangeOf, toQuery } from "./range";
import { router } from "./router.svelte";

const SETTLED_MS = 250;

export class RangeView {
  readonly view: TimeView;
  range = $state.raw<Range>({ last: 0 });
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** Made while a component is: it follows the address as long as that lives. `fallback` is left out of addresses. */
  constructor(private readonly fallback: string) {
    this.view = new TimeView(rangeOf(untrack(() => router.query), fallback), () => live.client.now());
    this.range = this.view.range();
    $effect(() => {
      const asked = rangeOf(router.query, fallback);
      const same = JSON.stringify(toQuery(asked, fallback)) === JSON.stringify(toQuery(untrack(() => this.range), fallback));
      if (!same) this.view.set(asked);
    });
    $effect(() => () => clearTimeout(this.timer));
  }

  /** The view was moved: once it rests, the address follows. */
  moved = (next: Range): void => {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.range = next;
      router.set(toQuery(next, this.fallback));
    }, SETTLED_MS);
  };
}
