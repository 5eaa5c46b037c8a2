/** How the properties of some twins are tied, read again every few seconds while somebody looks. */

import { get, twinPath } from "../api/http";
import type { Tie } from "./model";

const EVERY_MS = 10_000;
const MOST = 40;

export class Ties {
  private found = $state.raw<ReadonlyMap<string, Tie>>(new Map());

  /** `twins` runs inside an effect. */
  constructor(twins: () => readonly string[]) {
    $effect(() => {
      const wanted = twins().slice(0, MOST);
      const stop = new AbortController();
      const read = async (): Promise<void> => {
        if (document.hidden) return;
        const answers = await Promise.allSettled(
          wanted.map((twin) => get<{ properties: Tie[] }>(`${twinPath(twin)}/entanglement`, {}, stop.signal)),
        );
        if (stop.signal.aborted) return;
        this.found = new Map(
          answers.flatMap((answer, i) =>
            answer.status === "fulfilled" ? answer.value.properties.map((tie) => [`${wanted[i]}:${tie.property}`, tie] as const) : [],
          ),
        );
      };
      void read();
      const timer = setInterval(() => void read(), EVERY_MS);
      return () => {
        clearInterval(timer);
        stop.abort();
      };
    });
  }

  of(twin: string, property: string): Tie | undefined {
    return this.found.get(`${twin}:${property}`);
  }
}
