/** The forms a service's name takes in its files. */
export interface ServiceNames {
  /** `my-orders`: folder, deployment, contract. */
  readonly plain: string;
  /** `MyOrders`: surfaces. */
  readonly pascal: string;
  /** `myOrders`: in code. */
  readonly camel: string;
  /** `My orders`: for people. */
  readonly title: string;
}

export function serviceNames(plain: string): ServiceNames {
  const words = plain.split("-").filter((word) => word !== "");
  const pascal = words.map(capitalize).join("");
  return {
    plain,
    pascal,
    camel: pascal.charAt(0).toLowerCase() + pascal.slice(1),
    title: capitalize(words.join(" ")),
  };
}

/** The templates are a working service called `sample-service`; this gives it its real name. */
export function rename(text: string, { plain, pascal, camel, title }: ServiceNames): string {
  return text
    .replaceAll("sample-service", plain)
    .replaceAll("SampleService", pascal)
    .replaceAll("sampleService", camel)
    .replaceAll("Sample service", title);
}

function capitalize(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
