import { api, of } from "@/api/client";
import { load } from "@/parts/load";

/** The titles of all datasets in the reader's language; the name where there is none (yet). */
export function titles(): (name: string) => string {
  const listed = load(() => of(api.GET("/api/exchange/datasets")));
  return (name) => listed.data.value?.find((each) => each.name === name)?.title ?? name;
}
