/** A tiny trend without axes. */

import { prepare, token } from "./paint";
import { aligned, type Columns } from "./series";

export function drawSpark(canvas: HTMLCanvasElement, columns: Columns, [start, end]: [number, number], size: [number, number]): void {
  const [width, height] = size;
  const context = prepare(canvas, width, height);
  const [time, mid, low, high] = aligned(columns, end);
  const numbers = [...low, ...high].filter((v): v is number => v !== null);
  if (!numbers.length) return;
  const least = numbers.reduce((a, b) => Math.min(a, b));
  const most = numbers.reduce((a, b) => Math.max(a, b));
  const x = (s: number): number => ((s * 1000 - start) / (end - start)) * (width - 2) + 1;
  const y = (v: number): number => (most === least ? height / 2 : height - 2 - ((v - least) / (most - least)) * (height - 4));
  context.beginPath();
  context.rect(0, 0, width, height);
  context.clip();
  context.beginPath();
  context.strokeStyle = token("--series");
  context.lineWidth = 1.25;
  context.lineJoin = "round";
  let before: number | null = null;
  time.forEach((s, i) => {
    const value = mid[i] ?? null;
    if (value !== null && before !== null) {
      context.lineTo(x(s), y(before));
      context.lineTo(x(s), y(value));
    } else if (value !== null) context.moveTo(x(s), y(value));
    before = value;
  });
  context.stroke();
}
