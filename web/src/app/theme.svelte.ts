/** Light, dark, or as the system says. One set of tokens in app.css follows `data-theme` on the root element. */

export type Mode = "auto" | "light" | "dark";
export const MODES: readonly Mode[] = ["auto", "light", "dark"];

class Theme {
  mode = $state<Mode>((localStorage.getItem("gemel.theme") as Mode | null) ?? "auto");
  /** Rises whenever colours change: canvases read their colours again. */
  version = $state(0);

  constructor() {
    this.show();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.version++);
  }

  choose(mode: Mode): void {
    this.mode = mode;
    localStorage.setItem("gemel.theme", mode);
    this.show();
  }

  private show(): void {
    if (this.mode === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.mode;
    this.version++;
  }
}

export const theme = new Theme();
