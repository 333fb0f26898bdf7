// Charts as SVG, drawn by ECharts on the server: no browser, no canvas. Each function is given figures and returns the text of
// one file.
import * as echarts from 'echarts';

/** Without quotes: they would end the attribute that this stands in. */
const font = 'Helvetica, Arial, sans-serif';
/** Ours stands out, the floor steps back; the others tell each other apart. Readable on white and for the colour-blind. */
const colours = { leveret: '#0b6e4f', 'leveret-transport': '#3fa34d', raw: '#9aa0a6' };
const others = ['#c8553d', '#e3a008', '#3c6e9f', '#7b4b94'];

function colourOf(name, index) {
  return colours[name] ?? others[index % others.length];
}

function draw({ title, width = 820, height, ...option }) {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: font, color: '#202124' },
    title: { text: title, left: 12, top: 8, textStyle: { fontSize: 15, fontWeight: 600, fontFamily: font } },
    ...option,
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${svg}\n`;
}

const legend = { top: 34, left: 12, itemGap: 26, itemWidth: 14, textStyle: { fontSize: 12 } };

/**
 * Bars beside each other: one group for each category, one bar for each series, as long as it is many times the first
 * series' value, which is written beside it.
 * @param {{ title: string, unit: string, categories: string[], series: { name: string, values: (number | undefined)[] }[] }} given
 */
export function bars({ title, unit, categories, series }) {
  const { name: reference, values: references } = series[0];
  return draw({
    title,
    height: 120 + categories.length * (series.length * 14 + 18),
    legend,
    grid: { left: 12, right: 80, top: 66, bottom: 34, containLabel: true },
    xAxis: { type: 'value', name: `times ${reference}; beside the bar: ${unit}`, nameLocation: 'middle', nameGap: 28 },
    yAxis: { type: 'category', data: categories, inverse: true, axisTick: { show: false } },
    series: series.map(({ name, values }, index) => ({
      name,
      type: 'bar',
      data: values.map((value, at) =>
        value === undefined || references[at] === undefined ? null : value / references[at],
      ),
      itemStyle: { color: colourOf(name, index) },
      barGap: '10%',
      label: {
        show: true,
        position: 'right',
        fontSize: 10,
        formatter: ({ dataIndex }) => (values[dataIndex] === undefined ? '' : digits(values[dataIndex])),
      },
    })),
  });
}

/**
 * Lines over a number, or over names.
 * @param {{ title: string, x: string, y: string, series: { name: string, points: [number | string, number][] }[],
 *   scale?: 'logarithmic' | 'linear' | 'names' }} given of x; y is logarithmic unless x is linear
 */
export function lines({ title, x, y, series, scale = 'logarithmic' }) {
  const isLogarithmic = scale !== 'linear';
  const name = { nameLocation: 'middle' };
  const axisLabel = { formatter: (value) => compact(value) };
  const xAxis = {
    logarithmic: { type: 'log', axisLabel },
    linear: { type: 'value', axisLabel },
    names: { type: 'category', data: series[0].points.map(([at]) => at) },
  };
  return draw({
    title,
    height: 340,
    legend,
    grid: { left: 50, right: 30, top: 74, bottom: 46, containLabel: true },
    xAxis: { ...xAxis[scale], ...name, name: x, nameGap: 30 },
    yAxis: { type: isLogarithmic ? 'log' : 'value', axisLabel, ...name, name: y, nameGap: 52 },
    series: series.map(({ name: label, points }, index) => ({
      name: label,
      type: 'line',
      data: points.filter(([at, value]) => !isLogarithmic || (at !== 0 && value > 0)),
      itemStyle: { color: colourOf(label, index) },
      lineStyle: { width: 2 },
      symbolSize: 6,
    })),
  });
}

function digits(value) {
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);
}

function compact(value) {
  const steps = [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ];
  const found = steps.find(([size]) => value >= size);
  return found === undefined
    ? String(Number(value.toPrecision(3)))
    : `${Number((value / found[0]).toPrecision(3))}${found[1]}`;
}
