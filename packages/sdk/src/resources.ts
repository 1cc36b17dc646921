import { defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";
import { NotFound, Refused } from "./auth.ts";
import { kvSchemas, resourceSchemas, storeSchemas } from "./resource-schemas.ts";

const Empty = Type.Object({});

/** `trellis.resources@v1`: what the platform keeps for services, for the people who run them. */
export const resources = defineServiceContract(
  { schemas: { Empty, ...resourceSchemas, ...kvSchemas, ...storeSchemas }, errors: { NotFound, Refused } },
  (ref) => {
    const call = { capabilities: { call: ["admin"] }, errors: [ref.error("NotFound"), ref.error("Refused")] };
    return {
      id: "trellis.resources@v1",
      displayName: "Trellis resources",
      description:
        "What the platform keeps for services: looking into buckets and object stores, and deleting what nobody uses any more.",
      rpc: {
        "Trellis.Resources.List": {
          version: "v1",
          input: ref.schema("ResourcesListInput"),
          output: ref.schema("ResourcesList"),
          ...call,
          docs: { summary: "Buckets, object stores and consumers of every deployment, removed ones included." },
        },
        "Trellis.Resources.Purge": {
          version: "v1",
          input: ref.schema("ResourcePurge"),
          output: ref.schema("ResourcePurged"),
          ...call,
          docs: { summary: "Deletes a released resource with all its data, for good. May be repeated." },
        },

        "Trellis.Kv.Keys": {
          version: "v1",
          input: ref.schema("KvKeysInput"),
          output: ref.schema("KvKeys"),
          ...call,
          docs: { summary: "The keys of a bucket that have a value, in their order." },
        },
        "Trellis.Kv.Get": {
          version: "v1",
          input: ref.schema("KvKeyRef"),
          output: ref.schema("KvValue"),
          ...call,
          docs: { summary: "One value as it is stored." },
        },
        "Trellis.Kv.History": {
          version: "v1",
          input: ref.schema("KvKeyRef"),
          output: ref.schema("KvHistory"),
          ...call,
          docs: { summary: "What is kept of one key, oldest first." },
        },
        "Trellis.Kv.Put": {
          version: "v1",
          input: ref.schema("KvPut"),
          output: ref.schema("KvWritten"),
          ...call,
          docs: { summary: "Stores a value behind the service's back; audited." },
        },
        "Trellis.Kv.Delete": {
          version: "v1",
          input: ref.schema("KvDelete"),
          output: ref.schema("KvWritten"),
          ...call,
          docs: { summary: "Ends a key behind the service's back; audited." },
        },

        "Trellis.Store.List": {
          version: "v1",
          input: ref.schema("StoreListInput"),
          output: ref.schema("StoreList"),
          ...call,
          docs: { summary: "The objects of a store, by name." },
        },
        "Trellis.Store.Info": {
          version: "v1",
          input: ref.schema("StoreObjectRef"),
          output: ref.schema("StoredObject"),
          ...call,
          docs: { summary: "One object without its bytes." },
        },
        "Trellis.Store.Read": {
          version: "v1",
          input: ref.schema("StoreRead"),
          output: ref.schema("StorePiece"),
          ...call,
          docs: { summary: "A piece of an object." },
        },
        "Trellis.Store.Upload.Begin": {
          version: "v1",
          input: ref.schema("StoreUploadBegin"),
          output: ref.schema("StoreUpload"),
          ...call,
          docs: { summary: "Begins an upload in pieces; audited." },
        },
        "Trellis.Store.Upload.Piece": {
          version: "v1",
          input: ref.schema("StoreUploadPiece"),
          output: ref.schema("Empty"),
          ...call,
          docs: { summary: "Stores one piece; any replica takes any piece." },
        },
        "Trellis.Store.Upload.Finish": {
          version: "v1",
          input: ref.schema("StoreUploadFinish"),
          output: ref.schema("StoredObject"),
          ...call,
          docs: { summary: "Reads what arrived, compares size and digest, and makes the object visible." },
        },
        "Trellis.Store.Upload.Cancel": {
          version: "v1",
          input: ref.schema("StoreUploadRef"),
          output: ref.schema("Empty"),
          ...call,
          docs: { summary: "Removes what was uploaded so far." },
        },
        "Trellis.Store.Delete": {
          version: "v1",
          input: ref.schema("StoreObjectRef"),
          output: ref.schema("StoreDeleted"),
          ...call,
          docs: { summary: "Removes an object behind the service's back; audited." },
        },
      },
      feeds: {
        "Trellis.Kv.Watch": {
          version: "v1",
          input: ref.schema("KvWatchInput"),
          event: ref.schema("KvChange"),
          capabilities: { subscribe: ["admin"] },
          docs: { summary: "The present values of a bucket, then every change." },
        },
      },
    };
  },
);
