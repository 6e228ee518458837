/** The colours of a map, out of the tokens of the page's theme. */
export interface Colours {
  classes: readonly string[];
  hidden: string;
  none: string;
  ground: string;
  line: string;
  border: string;
  ink: string;
  chosen: string;
}

export function colours(amount: number, diverging: boolean): Colours {
  const style = getComputedStyle(document.documentElement);
  const token = (name: string) => style.getPropertyValue(`--${name}`).trim();
  // few classes take the outer colours, so that they are told apart
  const places = amount <= 1 ? [4] : Array.from({ length: amount }, (_, at) => Math.round((at * 4) / (amount - 1)) + 1);
  return {
    classes: places.map((place) => token(diverging ? `map-change-${place}` : `map-${place}`)),
    hidden: token("map-hidden"),
    none: token("map-none"),
    ground: token("cloth"),
    line: token("map-line"),
    border: token("map-border"),
    ink: token("ink"),
    chosen: token("focus"),
  };
}
