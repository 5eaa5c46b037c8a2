/** Trends with a name, kept in this browser; each is an address, so a link shares it. */

const KEY = "gemel.trends";

export interface Trend {
  name: string;
  /** The query of its address. */
  query: string;
}

function read(): Trend[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? found.filter((one): one is Trend => typeof one?.name === "string" && typeof one?.query === "string") : [];
  } catch {
    return [];
  }
}

class Saved {
  list = $state.raw<readonly Trend[]>(read());

  /** The same name again replaces it. */
  put(trend: Trend): void {
    this.keep([...this.list.filter((one) => one.name !== trend.name), trend].sort((a, b) => a.name.localeCompare(b.name)));
  }
  remove(name: string): void {
    this.keep(this.list.filter((one) => one.name !== name));
  }
  private keep(list: readonly Trend[]): void {
    this.list = list;
    localStorage.setItem(KEY, JSON.stringify(list));
  }
}

export const saved = new Saved();
