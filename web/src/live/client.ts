/**
 * The one live socket of this tab (docs/reference/websocket.md): opens, resumes where it stopped, and never fails silently:
 * `status` says at any moment whether data flows and since when it does not. No framework in here.
 */

import { decode, encode } from "@msgpack/msgpack";

import type { HappenedEvent } from "../api/model";
import { backoff_s } from "./backoff";
import { Values, type Row } from "./values";

export interface Selection {
  twins: string[] | { type?: string; roots?: boolean };
  depth?: number;
  properties?: string[] | null;
  headline?: boolean;
  rate_hz?: number;
}

export interface Status {
  state: "connecting" | "open" | "waiting" | "closed";
  /** When the last message came, on this computer's clock, ms; null before the first. */
  heard: number | null;
  /** Since when the connection is lost, ms; null while it is open. */
  lost: number | null;
}

/** What the client needs of a WebSocket; the browser's own fits. */
export interface Socket {
  binaryType: string;
  onopen: ((event: never) => unknown) | null;
  onmessage: ((event: never) => unknown) | null;
  onclose: ((event: never) => unknown) | null;
  readonly readyState: number;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(): void;
}

export interface Options {
  open: () => Socket;
  values?: Values;
  /** The session ended: the server closed with 4401. */
  refused?: () => void;
  random?: () => number;
}

interface Subscription {
  selection: Selection;
  /** Everything up to it came, in this epoch: a restored plant gives positions anew. */
  position: number | null;
  epoch: string;
  keys: Map<number, [string, string]>;
  settled: boolean;
  onReady?: (() => void) | undefined;
  onError?: ((code: string, detail: string) => void) | undefined;
}

interface Incoming {
  t: string;
  s?: number;
  now?: number;
  position?: number;
  epoch?: string;
  /** What belongs to it is still to come. */
  more?: boolean;
  rev?: number;
  keys?: [number, string, string][];
  values?: Row[];
  items?: [number, boolean, number | null][];
  events?: HappenedEvent[];
  twins?: string[];
  kinds?: string[];
  code?: string;
  detail?: string;
}

/** Without a word for this long the connection counts as dead (the server speaks at least every 10 s). */
export const SILENCE_MS = 25_000;
const PING_MS = 10_000;
const UNAUTHENTICATED = 4401;
const OPEN = 1;

export class LiveClient {
  readonly values: Values;
  status: Status = { state: "closed", heard: null, lost: null };
  /** Server clock minus this computer's, ms. */
  offset_ms = 0;

  private socket: Socket | null = null;
  /** Which life of the plant the server told of last. */
  private epoch: string | null = null;
  private attempt = 0;
  private next = 1;
  private retry: ReturnType<typeof setTimeout> | null = null;
  private pulse: ReturnType<typeof setInterval> | null = null;
  private readonly subscriptions = new Map<number, Subscription>();
  private readonly statusListeners = new Set<(status: Status) => void>();
  private readonly eventListeners = new Set<(events: HappenedEvent[]) => void>();
  private readonly registryListeners = new Set<(kinds: string[]) => void>();
  private readonly options: Options;

  constructor(options: Options) {
    this.options = options;
    this.values = options.values ?? new Values();
  }

  start(): void {
    if (this.socket || this.retry) return;
    this.connect();
    this.pulse ??= setInterval(() => this.beat(), PING_MS);
  }

  stop(): void {
    if (this.retry) clearTimeout(this.retry);
    if (this.pulse) clearInterval(this.pulse);
    this.retry = this.pulse = null;
    this.drop();
    this.say({ ...this.status, state: "closed" });
  }

  /** Try again at once (the computer is back online, the tab is visible again). */
  hurry(): void {
    if (this.status.state !== "waiting") return;
    if (this.retry) clearTimeout(this.retry);
    this.retry = null;
    this.attempt = 0;
    this.connect();
  }

  /** Server time, ms since the epoch. */
  now(): number {
    return Date.now() + this.offset_ms;
  }

  subscribe(selection: Selection, onReady?: () => void, onError?: Subscription["onError"]): () => void {
    const number = this.next++;
    const subscription: Subscription = {
      selection,
      position: null,
      epoch: "",
      keys: new Map(),
      settled: false,
      onReady,
      onError,
    };
    this.subscriptions.set(number, subscription);
    this.ask(number, subscription);
    return () => {
      this.subscriptions.delete(number);
      this.send({ t: "unsub", s: number });
    };
  }

  onStatus(listener: (status: Status) => void): () => void {
    return this.on(this.statusListeners, listener);
  }

  onEvents(listener: (events: HappenedEvent[]) => void): () => void {
    return this.on(this.eventListeners, listener);
  }

  onRegistry(listener: (kinds: string[]) => void): () => void {
    return this.on(this.registryListeners, listener);
  }

  private on<T>(set: Set<T>, listener: T): () => void {
    set.add(listener);
    return () => set.delete(listener);
  }

  private connect(): void {
    this.say({ ...this.status, state: "connecting" });
    const socket = this.options.open();
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      for (const [number, subscription] of this.subscriptions) this.ask(number, subscription);
    };
    socket.onmessage = (event: { data: ArrayBuffer }) => this.take(decode(new Uint8Array(event.data)) as Incoming);
    socket.onclose = (event: { code?: number }) => {
      this.lose(socket);
      if (event?.code === UNAUTHENTICATED) this.options.refused?.();
    };
  }

  private lose(socket: Socket): void {
    if (this.socket !== socket) return;
    this.drop();
    const wait = backoff_s(this.attempt++, this.options.random) * 1000;
    this.say({ ...this.status, state: "waiting", lost: this.status.lost ?? Date.now() });
    this.retry = setTimeout(() => {
      this.retry = null;
      this.connect();
    }, wait);
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  private beat(): void {
    const { state, heard } = this.status;
    if (state === "open" && heard !== null && Date.now() - heard > SILENCE_MS && this.socket) this.lose(this.socket);
    else this.send({ t: "ping", n: this.next });
  }

  private ask(number: number, { selection, position, epoch }: Subscription): void {
    const { twins, depth = 0, properties = null, headline = false, rate_hz = 4 } = selection;
    this.send({ t: "sub", s: number, twins, depth, properties, headline, rate_hz, after: position, epoch });
  }

  private send(message: Record<string, unknown>): void {
    if (this.socket?.readyState === OPEN) this.socket.send(encode(message));
  }

  private say(status: Status): void {
    this.status = status;
    for (const listener of [...this.statusListeners]) listener(status);
  }

  private take(message: Incoming): void {
    const opened = this.status.state !== "open";
    this.status = { state: "open", heard: Date.now(), lost: null };
    if (opened) {
      this.attempt = 0;
      this.say(this.status);
    }
    if (message.now !== undefined) this.offset_ms = message.now / 1000 - Date.now();
    if (message.t === "hello") this.greet(message.epoch ?? "");
    if (message.t === "changed") for (const listener of [...this.registryListeners]) listener(message.kinds ?? []);
    if (message.t === "ping") this.send({ t: "ping", n: this.next });
    if (message.t === "event") for (const listener of [...this.eventListeners]) listener(message.events ?? []);
    const subscription = this.subscriptions.get(message.s ?? 0);
    if (subscription) this.fold(message, subscription);
  }

  /** A plant that was restored since: what was known of it may never have been. A `reset` and a snapshot follow. */
  private greet(epoch: string): void {
    const before = this.epoch;
    this.epoch = epoch;
    if (before === null || before === epoch) return;
    this.values.clear();
    for (const listener of [...this.registryListeners]) listener(["types", "twins", "links"]);
  }

  private fold(message: Incoming, subscription: Subscription): void {
    for (const [key, twin, property] of message.keys ?? []) subscription.keys.set(key, [twin, property]);
    for (const row of message.values ?? []) {
      const name = subscription.keys.get(row[0]);
      if (name) this.values.put(name[0], name[1], row);
    }
    for (const [key, fresh, since] of message.items ?? []) {
      const name = subscription.keys.get(key);
      if (name) this.values.freshness(name[0], name[1], fresh, since);
    }
    if (message.t === "gone") for (const twin of message.twins ?? []) this.values.forget(twin);
    if (message.t === "error") subscription.onError?.(message.code ?? "", message.detail ?? "");
    if ((message.t === "snap" || message.t === "delta") && message.position !== undefined) {
      if (!message.more) [subscription.position, subscription.epoch] = [message.position, this.epoch ?? ""];
      if (!subscription.settled) this.values.flush();
      subscription.settled = true;
      subscription.onReady?.();
      subscription.onReady = undefined;
    }
  }
}
