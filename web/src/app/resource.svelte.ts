/** Something read from the platform: reads again when what it depends on, types or twins change; keeps trying while unreachable. */

import { ApiError } from "../api/http";
import { session } from "./session.svelte";

export class Resource<T> {
  value = $state.raw<T | undefined>(undefined);
  error = $state.raw<ApiError | null>(null);
  private again = $state(0);
  private reading = false;

  /** `read` runs inside an effect: reactive values it touches before its first await make it run again. */
  constructor(read: (signal: AbortSignal) => Promise<T>) {
    $effect(() => {
      void this.again;
      void session.revision;
      const stop = new AbortController();
      let timer: ReturnType<typeof setTimeout> | undefined;
      this.reading = true;
      read(stop.signal).then(
        (value) => {
          if (stop.signal.aborted) return;
          this.reading = false;
          this.value = value;
          this.error = null;
        },
        (error: unknown) => {
          if (stop.signal.aborted) return;
          this.reading = false;
          this.error = error instanceof ApiError ? error : new ApiError(0, "failed", String(error));
          if (this.error.status === 401) session.state = "signed-out";
          else if (this.error.status === 0 || this.error.status >= 500) timer = setTimeout(() => this.again++, 3000);
        },
      );
      return () => {
        clearTimeout(timer);
        stop.abort();
      };
    });
  }

  reload(): void {
    this.again++;
  }

  /** For timers: reads again unless that is under way (a slow platform would else never get to answer) or nobody looks. */
  follow(): void {
    if (!this.reading && !document.hidden) this.again++;
  }
}
