/** Figures over time, drawn and as tables. */
export const charts = {
  chart_table: "Table",
  chart_picture: "Picture",
  chart_as_table: "As a table",
  chart_day: "Day",
  chart_lines: "Lines",
  chart_nothing: "No figures over time yet",
  chart_nothing_text: "The line begins with the second day that is counted.",
  quality_over_time: "Quality, day by day",
  quality_over_time_lead: "Share of values that were good on each day; the last {count} days.",
  quality_open: "What a day was counted from",
  quality_close: "Close",
  quality_good_of: "{good} of {total}",
  points_over_time: "Points by published period",
  points_over_time_lead: "Each point is a published result; open one by choosing it above.",
  map_over_time: "Over time",
} as const;
