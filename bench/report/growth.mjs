// How much faster than linear a cost grows, step by step. Pure, apart from the table.
import { short, whole } from '../figures.mjs';
import { textTable } from './tables.mjs';

/** A step is worse than linear when the cost grows by more than this times what linear would be: the rest is noise. */
export const tolerance = 1.5;

/**
 * Of each step from one point to the next: the growth of the cost divided by what linear would allow. 1 is linear, less is
 * better. A step from nothing has none.
 */
export function stepsOf({ figures, points }, figure) {
  const { per } = figures[figure];
  return points.slice(1).flatMap((to, index) => {
    const from = points[index];
    if (from.x === 0) return [];
    const growth = to[figure].median / from[figure].median;
    // The cost of one message may grow as x does; that of one thing among x may not grow.
    return [{ from: from.x, to: to.x, factor: per === 'message' ? growth / (to.x / from.x) : growth }];
  });
}

/** The worst step of a figure. */
export function worstStep(one, figure) {
  return stepsOf(one, figure).reduce((worst, step) =>
    worst === undefined || step.factor > worst.factor ? step : worst,
  );
}

export function growthTable(one) {
  const names = Object.keys(one.figures);
  const head = [one.unit, ...names.flatMap((name) => [`CPU µs, ${one.figures[name].label}`, 'min–max'])];
  const rows = one.points.map((point) => [
    whole(point.x),
    ...names.flatMap((name) => [short(point[name].median), `${short(point[name].min)}–${short(point[name].max)}`]),
  ]);
  return { head, rows };
}

/** One line for each figure: its worst step, and whether it is worse than linear. */
export function verdicts(one) {
  return Object.keys(one.figures).map((figure) => {
    const { from, to, factor } = worstStep(one, figure);
    const isWorse = factor > tolerance;
    return {
      isWorse,
      text:
        `${one.name}, ${one.figures[figure].label}: the steepest step, from ${whole(from)} to ${whole(to)}, ` +
        `is ${factor.toFixed(2)} of linear${isWorse ? ': WORSE THAN LINEAR' : ''}`,
    };
  });
}

/** For a terminal. */
export function formatGrowth({ broker, load, rounds, series }) {
  const parts = series.map((one) => {
    const { head, rows } = growthTable(one);
    return [one.title, textTable(head, rows), ...verdicts(one).map(({ text }) => text)].join('\n');
  });
  return [`${broker}, load ${load} before; medians of ${rounds} rounds`, ...parts].join('\n\n');
}
