// What all large charts share: axes that read well here, colours of the theme, limits behind.
import type uPlot from 'uplot';
import { clock, day } from './format';
import { colour } from './theme.svelte';

const FONT = '12px "Inter Variable", system-ui, sans-serif';
/** Room for the longest label of an axis, in CSS pixels; uPlot cuts what does not fit. */
const Y_AXIS_SIZE = 62;
const X_AXIS_SIZE = 30;

export interface Limits {
  softMin: number | null;
  softMax: number | null;
  hardMin: number | null;
  hardMax: number | null;
}

/** The axes of a chart over time; `daily` labels days, else times. */
export function axes(daily: boolean, format: (value: number) => string): uPlot.Axis[] {
  const look = {
    stroke: colour('text-3'),
    font: FONT,
    grid: { stroke: colour('grid'), width: 1 },
    ticks: { show: false },
  };
  return [
    {
      ...look,
      size: X_AXIS_SIZE,
      space: daily ? 70 : 90,
      values: (_chart, splits) => splits.map((s) => (daily ? day : clock)(s * 1_000)),
    },
    {
      ...look,
      size: Y_AXIS_SIZE,
      space: 34,
      values: (_chart, splits) => splits.map((value) => format(value)),
    },
  ];
}

/** Draws the soft band and the hard limits behind the data. */
export function limitsPlugin(limits: () => Limits | null): uPlot.Plugin {
  return {
    hooks: {
      drawClear: (chart) => {
        const now = limits();
        if (now) drawLimits(chart, now);
      },
    },
  };
}

function drawLimits(chart: uPlot, limits: Limits): void {
  const { ctx, bbox } = chart;
  const bottomEdge = bbox.top + bbox.height;
  const place = (value: number) =>
    Math.min(bottomEdge, Math.max(bbox.top, chart.valToPos(value, 'y', true)));
  ctx.save();
  if (limits.softMin !== null || limits.softMax !== null) {
    const top = limits.softMax === null ? bbox.top : place(limits.softMax);
    const bottom = limits.softMin === null ? bottomEdge : place(limits.softMin);
    ctx.fillStyle = colour('band');
    ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
  }
  ctx.strokeStyle = colour('hard');
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
  for (const hard of [limits.hardMin, limits.hardMax]) {
    if (hard === null) continue;
    const y = chart.valToPos(hard, 'y', true);
    if (y < bbox.top || y > bottomEdge) continue;
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
  }
  ctx.restore();
}
