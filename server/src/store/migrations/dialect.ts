import {
  type ColumnDefinitionNode,
  type CreateTableBuilder,
  DataTypeNode,
  type KyselyPlugin,
  OperationNodeTransformer,
  RawNode,
  sql,
} from "kysely";

/** The database underneath. The same migrations serve both. */
export type Dialect = "sqlite" | "postgres";

/** What a migration writes differently for each database. */
export function shapes(dialect: Dialect) {
  return {
    blob: dialect === "sqlite" ? sql`blob` : sql`bytea`,
    /** A clustered table saves a second tree for each row; PostgreSQL has no such thing and needs none. */
    clustered: <T extends string, C extends string>(table: CreateTableBuilder<T, C>) =>
      dialect === "sqlite" ? table.modifyEnd(sql`without rowid`) : table,
  };
}

class BytewiseText extends OperationNodeTransformer {
  protected override transformColumnDefinition(node: ColumnDefinitionNode): ColumnDefinitionNode {
    const column = super.transformColumnDefinition(node);
    const isText = DataTypeNode.is(column.dataType) && column.dataType.dataType === "text";
    return isText ? { ...column, dataType: RawNode.createWithSql('text collate "C"') } : column;
  }
}

const transformer = new BytewiseText();

/** Makes every column of text one that sorts and compares by its bytes, as SQLite does, whatever the locale of the server. */
export const bytewiseText: KyselyPlugin = {
  transformQuery: ({ node }) => transformer.transformNode(node),
  transformResult: async ({ result }) => result,
};
