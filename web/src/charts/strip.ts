/** States over time as one bar: neutral tones for working, ready and stopped, saturated ones for warnings and faults. */

import { stateClass } from "../format/state";
import { humanise } from "../format/words";
import { font, prepare, token } from "./paint";
import type { Stretch } from "./series";

export type Tone = "active" | "ready" | "held" | "none" | "warning" | "fault" | "plain";

export function toneOf(word: unknown, kind: string): Tone {
  if (kind === "condition") return worst(word) ?? "none";
  if (kind === "enumeration" || kind === "boolean") return stateClass(word);
  return "plain";
}

/** The worst level in a list of conditions; null when all is normal. */
export function worst(conditions: unknown): "warning" | "fault" | null {
  if (!Array.isArray(conditions)) return null;
  if (conditions.some((one) => one?.level === "fault")) return "fault";
  return conditions.length ? "warning" : null;
}

export interface StripStyle {
  height: number;
  kind: string;
  /** Write the words into stretches that have room. */
  words: boolean;
}

const FILL: Record<Tone, string> = {
  active: "--active",
  ready: "--ready",
  held: "--held",
  none: "--none",
  plain: "--ready",
  warning: "--warning-fill",
  fault: "--fault",
};

export function wordOf(word: unknown, kind: string): string {
  if (kind !== "condition") return kind === "enumeration" ? humanise(String(word)) : String(word);
  const first = Array.isArray(word) ? word[0] : undefined;
  return first ? [first.code, first.text].filter(Boolean).join(" ") : "";
}

export function drawStrip(
  canvas: HTMLCanvasElement,
  width: number,
  stretches: readonly Stretch[],
  [start, end]: [number, number],
  { height, kind, words }: StripStyle,
): void {
  const context = prepare(canvas, width, height);
  const x = (ms: number): number => ((ms - start) / (end - start)) * width;
  context.fillStyle = token("--grid");
  context.fillRect(0, height - 1, width, 1);
  context.font = font(11);
  context.textBaseline = "middle";
  for (const { from, to, word } of stretches) {
    if (to < start || from > end) continue;
    const tone = toneOf(word, kind);
    const left = Math.max(0, x(from));
    const right = Math.min(width, x(to));
    const wide = Math.max(right - left, kind === "condition" && tone !== "none" ? 2 : 0.5);
    if (kind === "condition" && tone === "none") {
      context.fillStyle = token("--none");
      context.fillRect(left, height / 2 - 1, wide, 2);
      continue;
    }
    context.fillStyle = token(FILL[tone]);
    context.fillRect(left, 0, tone === "plain" ? Math.max(wide - 1, 0.5) : wide, height);
    if (!words || wide < 34) continue;
    const text = wordOf(word, kind);
    context.fillStyle = tone === "active" ? token("--on-active") : tone === "fault" ? token("--surface") : inkOn(tone);
    if (context.measureText(text).width < wide - 10) context.fillText(text, left + 6, height / 2 + 0.5);
  }
}

const inkOn = (tone: Tone): string => (tone === "warning" ? "#1b1203" : token("--ink"));
