import type { charts as en } from "../en/charts";

export const charts: Record<keyof typeof en, string> = {
  chart_table: "表格",
  chart_picture: "图片",
  chart_as_table: "以表格查看",
  chart_day: "日期",
  chart_lines: "折线",
  chart_nothing: "尚无随时间变化的数据",
  chart_nothing_text: "统计满两天后开始显示折线。",
  quality_over_time: "每日数据质量",
  quality_over_time_lead: "最近 {count} 天，每天合格值所占的比例。",
  quality_open: "某日得分的依据",
  quality_close: "关闭",
  quality_good_of: "{total} 中 {good}",
  points_over_time: "各考核期得分",
  points_over_time_lead: "每个点是一次已公布的结果，可在上方选择查看。",
  map_over_time: "变化趋势",
};
