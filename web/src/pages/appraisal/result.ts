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

/** The place of the console that shows what an evidence row names; none where there is only the door for programs. */
export function placeOf(row: Schema["EvidencePage"]["rows"][number]): string {
  const parts = row.href.split("?")[0]?.split("/") ?? [];
  if (row.kind === "resource") return `/catalogue/${encodeURIComponent(row.id)}`;
  if (row.kind === "request") return `/requests/${encodeURIComponent(row.id)}`;
  if (row.kind === "delivery" || row.kind === "deadline")
    return ["/deliveries", parts[4], ...(row.kind === "delivery" ? [encodeURIComponent(row.id)] : [])].join("/");
  return "";
}
