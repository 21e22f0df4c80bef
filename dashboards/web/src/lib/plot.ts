// What all large charts share: axes that read well here, colours of the theme, limits behind.
import type uPlot from 'uplot';
import { clock, day, tickLabels } from './format';
import { labelledPlaces } from './scale';
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

/** The least room for the label of a day and of a time, in CSS pixels. */
const DAY_SPACE = 64;
const CLOCK_SPACE = 90;
/** The steps between marks for counts. */
const WHOLE_STEPS = [1, 10, 100, 1_000, 10_000, 100_000].flatMap((ten) => [ten, 2 * ten, 5 * ten]);

/**
 * The axes of a chart over time; `daily` labels the days of the data, else times. `counts` are
 * whole, and so are their marks.
 */
export function axes(daily: boolean, counts = false): uPlot.Axis[] {
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
      space: daily ? DAY_SPACE : CLOCK_SPACE,
      ...(daily ? { splits: daySplits, grid: { show: false } } : {}),
      values: (_chart, splits) => splits.map((s) => (daily ? day : clock)(s * 1_000)),
    },
    {
      ...look,
      size: Y_AXIS_SIZE,
      space: 34,
      ...(counts ? { incrs: WHOLE_STEPS } : {}),
      values: (_chart, splits) => tickLabels(splits),
    },
  ];
}

/** A label stands under the middle of its day, today's always. */
function daySplits(chart: uPlot): number[] {
  const days = chart.data[0];
  const most = Math.floor(chart.width / DAY_SPACE) - 1;
  return labelledPlaces(days.length, most).map((place) => days[place] ?? 0);
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
