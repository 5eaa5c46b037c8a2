/** Moving through time by drag, wheel, touch and keys. Acts on a TimeView; knows nothing of what is drawn. */

import type { TimeView } from "./view";

export interface GestureOptions {
  /** Width of the space left of the time area, px. */
  gutter: number;
  /** Shows the stretch being selected (px from the left of the time area), null when done. */
  selecting: (stretch: [number, number] | null) => void;
}

const KEYS: Record<string, (view: TimeView) => void> = {
  ArrowLeft: (view) => view.pan(-0.2),
  ArrowRight: (view) => view.pan(0.2),
  PageUp: (view) => view.pan(-0.9),
  PageDown: (view) => view.pan(0.9),
  "+": (view) => view.zoom(0.5),
  "=": (view) => view.zoom(0.5),
  "-": (view) => view.zoom(2),
  End: (view) => view.set({ last: view.span }),
};

export function gestures(element: HTMLElement, view: TimeView, { gutter, selecting }: GestureOptions): () => void {
  const stop = new AbortController();
  const pointers = new Map<number, number>();
  let selectFrom: number | null = null;
  let moved = 0;

  const width = (): number => Math.max(1, element.clientWidth - gutter);
  const place = (event: MouseEvent): number => event.clientX - element.getBoundingClientRect().left - gutter;
  const timeAt = (x: number): number => view.start + (x / width()) * view.span;
  const clamp = (x: number): number => Math.min(width(), Math.max(0, x));
  const on = <K extends keyof HTMLElementEventMap>(name: K, act: (event: HTMLElementEventMap[K]) => void): void =>
    element.addEventListener(name, act, { signal: stop.signal, passive: false });

  const spread = (): [number, number] => {
    const [a = 0, b = 0] = [...pointers.values()];
    return [Math.abs(a - b), (a + b) / 2];
  };

  on("pointerdown", (event) => {
    if (event.button !== 0 || (event.target as Element).closest("button, a, input, select")) return;
    pointers.set(event.pointerId, place(event));
    moved = 0;
    if (event.shiftKey) selectFrom = clamp(place(event));
  });
  on("pointermove", (event) => {
    const x = place(event);
    const before = pointers.get(event.pointerId);
    if (event.pointerType !== "touch" || pointers.size === 1) view.point(x >= 0 && x <= width() ? timeAt(x) : null);
    if (before === undefined) return;
    moved += Math.abs(x - before);
    if (moved > 4 && !element.hasPointerCapture(event.pointerId)) element.setPointerCapture(event.pointerId);
    if (selectFrom !== null) return selecting([Math.min(selectFrom, clamp(x)), Math.max(selectFrom, clamp(x))]);
    const [wide] = spread();
    pointers.set(event.pointerId, x);
    if (pointers.size === 1 && moved > 4) view.pan(-(x - before) / width());
    if (pointers.size === 2 && wide > 10) {
      const [now, middle] = spread();
      if (now > 10) view.zoom(wide / now, timeAt(middle));
    }
  });
  const end = (event: PointerEvent): void => {
    if (!pointers.delete(event.pointerId) || selectFrom === null) return;
    const to = clamp(place(event));
    const [a, b] = [Math.min(selectFrom, to), Math.max(selectFrom, to)];
    selectFrom = null;
    selecting(null);
    if (b - a > 4 && event.type === "pointerup") view.set({ start: timeAt(a), end: timeAt(b) });
  };
  on("pointerup", end);
  on("pointercancel", end);
  on("pointerleave", () => view.point(null));
  on("wheel", (event) => {
    const across = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (!across && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    if (across) view.pan(event.deltaX / width());
    else view.zoom(Math.exp(Math.sign(event.deltaY) * Math.min(0.4, Math.abs(event.deltaY) / 250)), timeAt(place(event)));
  });
  on("dblclick", (event) => {
    if (place(event) >= 0) view.zoom(0.5, timeAt(place(event)));
  });
  on("keydown", (event) => {
    const act = KEYS[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey || event.target !== element) return;
    event.preventDefault();
    act(view);
  });
  return () => stop.abort();
}
