/** A schema of the API's description, as it is read at the build (`schemas.ts`). */
declare module "schema:*" {
  const shape: import("@/parts/form/shape").Shape;
  export default shape;
}
