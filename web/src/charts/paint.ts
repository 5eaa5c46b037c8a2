/** Canvas helpers: sharp at any pixel ratio, colours from the page's tokens. */

const cache = new Map<string, string>();
let probe: HTMLElement | null = null;

/** The present value of a colour token, e.g. `token("--series")`. */
export function token(name: string): string {
  const found = cache.get(name);
  if (found) return found;
  if (!probe) {
    probe = document.createElement("i");
    probe.hidden = true;
    document.body.append(probe);
  }
  probe.style.color = `var(${name})`;
  const colour = getComputedStyle(probe).color;
  cache.set(name, colour);
  return colour;
}

export function forgetTokens(): void {
  cache.clear();
}

/** Fits the canvas to its box and clears it; drawing is then in CSS pixels. */
export function prepare(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const ratio = devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d")!;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

export const font = (size: number, weight = 400): string => `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;
