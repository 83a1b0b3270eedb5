"""What is asked of Shopify's Admin GraphQL API, of the version `API_VERSION`.

Files: https://shopify.dev/docs/api/admin-graphql/latest/mutations/fileCreate.
"""

API_VERSION = "2026-10"
"""Shopify keeps each version for a year; later ones answer requests for one that is gone."""

FIND = """
query($query: String!, $first: Int!) {
  productVariants(first: $first, query: $query) {
    nodes { id sku product { id title } }
  }
}
"""
GALLERY = """
query($id: ID!, $first: Int!, $after: String) {
  product(id: $id) {
    media(first: $first, after: $after) {
      nodes { id alt }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""
FILE = """
query($id: ID!) { node(id: $id) { id ... on MediaImage { alt fileStatus } } }
"""
FILES = """
query($query: String!) {
  files(first: 10, query: $query) { nodes { id alt fileStatus } }
}
"""
STAGE = """
mutation($input: [StagedUploadInput!]!) {
  stagedUploadsCreate(input: $input) {
    stagedTargets { url resourceUrl parameters { name value } }
    userErrors { field message }
  }
}
"""
CREATE = """
mutation($files: [FileCreateInput!]!) {
  fileCreate(files: $files) {
    files { id alt fileStatus }
    userErrors { field message code }
  }
}
"""
UPDATE = """
mutation($files: [FileUpdateInput!]!) {
  fileUpdate(files: $files) {
    files { id alt fileStatus }
    userErrors { field message code }
  }
}
"""
REORDER = """
mutation($id: ID!, $moves: [MoveInput!]!) {
  productReorderMedia(id: $id, moves: $moves) {
    job { id done }
    mediaUserErrors { field message code }
  }
}
"""
DELETE = """
mutation($fileIds: [ID!]!) {
  fileDelete(fileIds: $fileIds) {
    deletedFileIds
    userErrors { field message code }
  }
}
"""
VARIANTS = """
query($id: ID!, $first: Int!, $after: String) {
  product(id: $id) {
    variants(first: $first, after: $after) {
      nodes { id sku media(first: 1) { nodes { id } } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""
APPEND = """
mutation($productId: ID!, $variantMedia: [ProductVariantAppendMediaInput!]!) {
  productVariantAppendMedia(productId: $productId, variantMedia: $variantMedia) {
    product { id }
    userErrors { field message code }
  }
}
"""
