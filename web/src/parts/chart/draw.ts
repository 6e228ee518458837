/** The only place that knows ECharts; loaded when a chart is shown. */
import { LineChart } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import { init, use, type EChartsType } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

use([LineChart, GridComponent, TooltipComponent, CanvasRenderer]);

export interface Series {
  title: string;
  /** A figure for each point in time; null where there is none. */
  values: readonly (number | null)[];
}

export interface Curve {
  /** Points in time, in words, the earliest first. */
  at: readonly string[];
  series: readonly Series[];
  say: (value: number) => string;
}

export type Chart = EChartsType;

/** Colours of the series, from the page's theme; each also has a form of its own, for who cannot tell colours apart. */
export const TOKENS = ["indigo", "madder", "leaf", "amber", "ink-soft"] as const;
const SYMBOLS = ["circle", "rect", "triangle", "diamond", "emptyCircle"] as const;

export function start(place: HTMLElement): Chart {
  return init(place, undefined, { renderer: "canvas" });
}

export function draw(chart: Chart, { at, series, say }: Curve, still: boolean): void {
  const style = getComputedStyle(document.documentElement);
  const token = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const text = { color: token("ink-soft"), fontFamily: token("font"), fontSize: 12 };
  const all = series.flatMap((each) => each.values.filter((value) => value !== null));
  const spread = Math.max(...all) - Math.min(...all);
  chart.setOption(
    {
      animation: !still,
      animationDuration: 300,
      grid: { left: 8, right: 20, top: 16, bottom: 8, containLabel: true },
      tooltip: {
        trigger: "axis",
        // drawn, since the page's policy lets nothing write styles into it
        renderMode: "richText",
        confine: true,
        backgroundColor: token("panel"),
        borderColor: token("line"),
        textStyle: { ...text, color: token("ink") },
        valueFormatter: (value: unknown) => (typeof value === "number" ? say(value) : "–"),
      },
      xAxis: {
        type: "category",
        data: [...at],
        boundaryGap: at.length < 3,
        axisLabel: { ...text, hideOverlap: true },
        axisLine: { lineStyle: { color: token("line") } },
        axisTick: { show: false },
      },
      yAxis: {
        type: "value",
        scale: true,
        // a flat line is shown flat, and not as a cliff of its last digit
        ...(spread === 0 && all.length ? { min: (all[0] ?? 0) * 0.9, max: (all[0] ?? 0) * 1.1 || 1 } : {}),
        splitNumber: 4,
        axisLabel: { ...text, formatter: (value: number) => say(value) },
        splitLine: { lineStyle: { color: token("line") } },
      },
      series: series.map((each, place) => ({
        type: "line",
        name: each.title,
        data: [...each.values],
        symbol: SYMBOLS[place % SYMBOLS.length] ?? "circle",
        symbolSize: 7,
        showSymbol: at.length <= 40,
        lineStyle: { width: 2, color: token(TOKENS[place % TOKENS.length] ?? "indigo") },
        itemStyle: { color: token(TOKENS[place % TOKENS.length] ?? "indigo") },
      })),
    },
    true,
  );
}
