/** A line over time with its min/max envelope and normal band, drawn by uPlot. Range, crosshair and gestures come from outside. */

import uPlot from "uplot";

import { font, token } from "./paint";
import type { SharedScale } from "./scale";
import { aligned, type Columns } from "./series";
import { ticks } from "./ticks";

export const GUTTER = 58;

export interface LineOptions {
  height: number;
  normal: [number, number] | null;
  /** Hold each value until the next (a source that reports changes), instead of joining them. */
  stepped: boolean;
  zone: () => string;
  label: (value: number) => string;
  /** Shared with other charts of the same quantity. */
  scale?: SharedScale | undefined;
}

export class LineChart {
  private readonly plot: uPlot;
  private range: [number, number] = [0, 1];
  private marks: readonly { time: number; tone: string }[] = [];

  constructor(
    parent: HTMLElement,
    private readonly options: LineOptions,
  ) {
    const paths = options.stepped ? uPlot.paths.stepped!({ align: 1 }) : uPlot.paths.linear!();
    const envelope = { stroke: "transparent", width: 0, points: { show: false }, paths };
    this.plot = new uPlot(
      {
        width: 300,
        height: options.height,
        padding: [6, 0, 6, 0],
        legend: { show: false },
        cursor: { show: false },
        select: { show: false, left: 0, top: 0, width: 0, height: 0 },
        scales: {
          x: { time: false, range: () => [this.range[0] / 1000, this.range[1] / 1000] },
          y: { range: (_, low, high) => this.yRange(low, high) },
        },
        axes: [this.xAxis(), this.yAxis()],
        series: [
          {},
          { stroke: () => token("--series"), width: 1.5, paths, points: { show: false } },
          envelope,
          envelope,
        ],
        bands: [{ series: [3, 2], fill: () => token("--series-band") }],
        hooks: { drawClear: [(plot) => this.underlay(plot)] },
      },
      [[], [], [], []],
      parent,
    );
  }

  resize(width: number): void {
    if (Math.abs(this.plot.width - width) >= 1) this.plot.setSize({ width, height: this.options.height });
  }

  draw(columns: Columns, range: [number, number], held: number, marks: readonly { time: number; tone: string }[]): void {
    this.range = range;
    this.marks = marks;
    this.plot.setData(visible(aligned(columns, held), range), true);
  }

  close(): void {
    this.options.scale?.leave(this);
    this.plot.destroy();
  }

  private xAxis(): uPlot.Axis {
    return {
      size: 0,
      splits: (plot) => ticks(this.range[0], this.range[1], plot.width / 90, this.options.zone()).at.map((ms) => ms / 1000),
      values: () => [],
      grid: { stroke: () => token("--grid"), width: 1 },
      ticks: { show: false },
    };
  }

  private yAxis(): uPlot.Axis {
    return {
      size: GUTTER,
      gap: 6,
      space: 28,
      font: font(11),
      stroke: () => token("--ink-3"),
      values: (_, splits) => splits.map((value) => this.options.label(value)),
      grid: { stroke: () => token("--grid"), width: 1 },
      ticks: { show: false },
    };
  }

  private yRange(low: number | null, high: number | null): [number, number] {
    const { normal } = this.options;
    let least = Math.min(low ?? Infinity, normal?.[0] ?? Infinity);
    let most = Math.max(high ?? -Infinity, normal?.[1] ?? -Infinity);
    const known = Number.isFinite(least) && Number.isFinite(most);
    if (known && this.options.scale) [least, most] = this.options.scale.fit(this, least, most);
    else if (!known) [least, most] = [0, 1];
    if (least === most) [least, most] = [least - Math.max(1, Math.abs(least) * 0.1), most + Math.max(1, Math.abs(most) * 0.1)];
    const margin = (most - least) * 0.06;
    return [least - margin, most + margin];
  }

  private underlay(plot: uPlot): void {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    const { normal } = this.options;
    if (normal) {
      const [low, high] = [plot.valToPos(normal[0], "y", true), plot.valToPos(normal[1], "y", true)];
      ctx.fillStyle = token("--normal-band");
      ctx.fillRect(bbox.left, high, bbox.width, low - high);
    }
    for (const { time, tone } of this.marks) {
      const x = Math.round(plot.valToPos(time / 1000, "x", true));
      ctx.fillStyle = token(tone);
      ctx.globalAlpha = 0.55;
      ctx.fillRect(x, bbox.top, Math.max(1, devicePixelRatio), bbox.height);
    }
    ctx.restore();
  }
}

/** Rows inside the range, and one on either side: the y scale then fits what is seen. */
function visible(data: ReturnType<typeof aligned>, [start, end]: [number, number]): ReturnType<typeof aligned> {
  const times = data[0];
  let from = 0;
  while (from + 1 < times.length && times[from + 1]! * 1000 <= start) from++;
  let to = times.length;
  while (to - 2 >= 0 && times[to - 2]! * 1000 >= end) to--;
  const out = data.map((column) => column.slice(from, to)) as ReturnType<typeof aligned>;
  if (out[0].length && out[0][0]! * 1000 < start && out[1][0] !== null) out[0][0] = start / 1000;
  return out;
}
