/** The live client for Svelte: values, connection and clock as things a template can read. */

import { createSubscriber } from "svelte/reactivity";

import { BASE } from "../api/http";
import { LiveClient, type Socket, type Status } from "../live/client";
import type { Now } from "../live/values";

function open(): Socket {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return new WebSocket(`${scheme}//${location.host}${BASE}/live`, "gemel.v1") as Socket;
}

class Live {
  readonly client = new LiveClient({ open, refused: () => this.onRefused() });
  status = $state.raw<Status>(this.client.status);
  /** Server time, ms; moves once a second. */
  now = $state(Date.now());
  /** Set by the session: who reads is asked again. */
  onRefused: () => void = () => undefined;
  private readonly readers = new Map<string, () => void>();

  constructor() {
    this.client.onStatus((status) => (this.status = { ...status }));
    setInterval(() => {
      this.now = this.client.now();
      this.status = { ...this.client.status };
    }, 1000);
    addEventListener("online", () => this.client.hurry());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.client.hurry();
    });
  }

  get frozen(): boolean {
    return this.status.state !== "open" && (this.status.heard !== null || this.status.lost !== null);
  }

  /** The newest value; a template that reads it is drawn again when it changes, at most four times a second. */
  value(twin: string, property: string): Now | undefined {
    const key = `${twin}\n${property}`;
    let subscribe = this.readers.get(key);
    if (!subscribe) {
      subscribe = createSubscriber((update) => this.client.values.listen(twin, property, update));
      this.readers.set(key, subscribe);
    }
    subscribe();
    return this.client.values.get(twin, property);
  }
}

export const live = new Live();
