import { api, of, type Schema } from "@/api/client";
import { load } from "@/parts/load";

type Item = Schema["Item"];

/** An item as others claim it: by its data element with its qualifier, else by its name. */
const folded = (text: string) =>
  text
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[\s\p{P}\p{S}]/gu, "");
const nameOf = (item: Item) => item.name.zh || item.name.en;

function conceptsOf(item: Item): string[] {
  const [name, qualifier] = [nameOf(item), item.qualifier ?? ""];
  const whole = folded(name).startsWith(folded(qualifier)) ? name : qualifier + name;
  return [`name:${folded(whole)}`, ...(item.element ? [`element:${item.element}#${folded(qualifier)}`] : [])];
}

/** Who answers for the items of a resource that its keeper does not answer for. */
export function useSources(resource: () => Schema["Resource"] | undefined) {
  const list = load(
    async () => {
      const subject = resource()?.record.subject;
      return subject ? of(api.GET("/api/catalogue/sources", { params: { query: { subject } } })) : [];
    },
    () => resource()?.record.subject,
  );
  const heldBy = (item: Item) => {
    const concepts = conceptsOf(item);
    return (list.data.value ?? []).find((each) => concepts.includes(each.concept));
  };
  return { nameOf, heldBy };
}
