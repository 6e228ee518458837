import type { LocationQuery } from "vue-router";
import { api, of, type Schema } from "@/api/client";

/** Which result is looked at: one that was published, or what the logs come to now for a period. */
export interface Source {
  publication: string;
  revision: number;
  start: string;
  end: string;
}

export function appraised(source: Source, organisation: string): Promise<Schema["Appraised"]> {
  const { publication: id, revision, start, end } = source;
  return id
    ? of(
        api.GET("/api/appraisal/publications/{id}/results/{organisation}", {
          params: { path: { id, organisation }, query: { revision } },
        }),
      )
    : of(
        api.GET("/api/appraisal/scores/{organisation}", {
          params: { path: { organisation }, query: { start, end } },
        }),
      );
}

export function evidence(
  source: Source,
  organisation: string,
  indicator: string,
  offset: number,
  limit: number,
): Promise<Schema["EvidencePage"]> {
  const { publication: id, revision, start, end } = source;
  return id
    ? of(
        api.GET("/api/appraisal/publications/{id}/results/{organisation}/evidence/{indicator}", {
          params: { path: { id, organisation, indicator }, query: { revision, offset, limit } },
        }),
      )
    : of(
        api.GET("/api/appraisal/scores/{organisation}/evidence/{indicator}", {
          params: { path: { organisation, indicator }, query: { start, end, offset, limit } },
        }),
      );
}

export function ranking(source: Source): Promise<Schema["Ranking"]> {
  const { publication: id, revision, start, end } = source;
  return id
    ? of(api.GET("/api/appraisal/publications/{id}/ranking", { params: { path: { id }, query: { revision } } }))
    : of(api.GET("/api/appraisal/ranking", { params: { query: { start, end } } }));
}

export function matrix(source: Source): Promise<Schema["Matrix"]> {
  const { publication: id, revision, start, end } = source;
  return id
    ? of(api.GET("/api/appraisal/publications/{id}/matrix", { params: { path: { id }, query: { revision } } }))
    : of(api.GET("/api/appraisal/matrix", { params: { query: { start, end } } }));
}

const local = (moment: Date) =>
  [moment.getFullYear(), moment.getMonth() + 1, moment.getDate()]
    .map((part) => String(part).padStart(2, "0"))
    .join("-");

/** The result that an address names; else what the logs come to this year. */
export function sourceOf(query: LocationQuery): Source {
  const said = (name: string) => String(query[name] ?? "");
  const today = new Date();
  return {
    publication: said("publication"),
    revision: Number(said("revision") || 0),
    start: said("start") || `${today.getFullYear()}-01-01`,
    end: said("end") || local(today),
  };
}

/** The place of the console that shows what an evidence row names; none for a kind that it does not know. */
export function placeOf(row: Schema["EvidencePage"]["rows"][number]): string {
  const parts = row.href.split("?")[0]?.split("/") ?? [];
  const id = encodeURIComponent(row.id);
  const days = row.href.split("?")[1] ?? "";
  switch (row.kind) {
    case "resource":
      return `/catalogue/${id}`;
    case "request":
      return `/requests/${id}`;
    case "grant":
      return `/grants/${id}`;
    case "ticket":
      return `/tickets/${id}`;
    case "delivery":
      return `/deliveries/${parts[4] ?? ""}/${id}`;
    case "deadline":
      return `/deliveries/${parts[4] ?? ""}`;
    case "quality":
      return `/quality/${id}?${days}`;
    case "demand":
      return `/catalogue/demands#${id}`;
    case "filing":
      return `/appraisal/filings/${id}`;
    case "appeal":
      return `/appraisal/appeals/${id}`;
    default:
      return "";
  }
}
