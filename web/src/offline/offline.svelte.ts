/** The app without a connection: a worker keeps it and what was last seen. Browsers allow that on encrypted pages and on this machine. */

const SEEN = "gemel-seen";
const WHOSE = "gemel.seen.by";

class Offline {
  readonly possible = "serviceWorker" in navigator && isSecureContext;
  /** What is shown was read then, ms, and could not be read again; null: it is from now. */
  seen = $state<number | null>(null);

  /** Keeps the app from now on. */
  start(): void {
    if (!this.possible || !import.meta.env.PROD) return;
    navigator.serviceWorker.onmessage = ({ data }: MessageEvent<{ seen?: number }>) => {
      if (data.seen) this.seen = Math.min(this.seen ?? Infinity, data.seen);
    };
    void navigator.serviceWorker.register("/sw.js").catch(() => undefined);
  }

  /** What one person saw is not for the next one at this browser. */
  async belongTo(person: string): Promise<void> {
    if (!this.possible || localStorage.getItem(WHOSE) === person) return;
    localStorage.setItem(WHOSE, person);
    await caches.delete(SEEN);
  }

  /** The answers that were kept to addresses that end like this. */
  async kept<T>(ending: RegExp): Promise<T[]> {
    if (!this.possible) return [];
    const cache = await caches.open(SEEN);
    const wanted = (await cache.keys()).filter(({ url }) => ending.test(url));
    const answers = await Promise.all(wanted.map((request) => cache.match(request, { ignoreVary: true })));
    return Promise.all(answers.flatMap((answer) => (answer ? [answer.json() as Promise<T>] : [])));
  }

  async forget(): Promise<void> {
    localStorage.removeItem(WHOSE);
    if (this.possible) await caches.delete(SEEN);
  }
}

export const offline = new Offline();
