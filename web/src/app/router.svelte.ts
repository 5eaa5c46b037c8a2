/** Addresses without hashes: every view, range and selection is in the address, and the browser's buttons work. */

class Router {
  path = $state(location.pathname);
  query = $state.raw(new URLSearchParams(location.search));

  /** The path's pieces, decoded: /twins/press%207 → ["twins", "press 7"]. */
  get pieces(): string[] {
    return this.path
      .split("/")
      .filter(Boolean)
      .map((piece) => {
        try {
          return decodeURIComponent(piece);
        } catch {
          return piece;
        }
      });
  }

  go(address: string, { replace = false } = {}): void {
    const url = new URL(address, location.href);
    if (url.href === location.href) return;
    const leaves = url.pathname !== location.pathname;
    history[replace ? "replaceState" : "pushState"](null, "", url);
    this.read();
    if (leaves && !replace) {
      scrollTo(0, 0);
      document.getElementById("main")?.focus({ preventScroll: true });
    }
  }

  /** Sets and (with null) removes parameters of the present address. */
  set(changes: Record<string, string | null>, { replace = true } = {}): void {
    this.go(location.pathname + this.queryWith(changes), { replace });
  }

  /** The present address's query with these parameters set or (with null) removed; with its question mark, or empty. */
  queryWith(changes: Record<string, string | null>): string {
    const query = new URLSearchParams(location.search);
    for (const [key, value] of Object.entries(changes)) {
      if (value === null || value === "") query.delete(key);
      else query.set(key, value);
    }
    const text = query.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");
    return text ? `?${text}` : "";
  }

  start(): void {
    addEventListener("popstate", () => this.read());
    document.addEventListener("click", (event) => this.follow(event));
  }

  private read(): void {
    this.path = location.pathname;
    this.query = new URLSearchParams(location.search);
  }

  private follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element).closest?.("a");
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (link.pathname.startsWith("/api/")) return;
    if (link.hash && link.pathname === location.pathname) return;
    event.preventDefault();
    this.go(link.href);
  }
}

export const router = new Router();
