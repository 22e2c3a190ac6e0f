"""Products: the fees of a program."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.program_events import ProgramThing
from resolvers.loaders.program_events import ThingKey
from resolvers.loaders.voucher_programs import (
    InProgram,
    NamePage,
    ProductRow,
    ProgramRow,
    product_totals,
    products_by_key,
    products_of,
)
from resolvers.programs.defining import NewProduct, create_product, reprice_product, retire_product
from schema.context import Info
from schema.fields import INPUT, field, mutation
from schema.ids import Node, decode_id, encode_id
from schema.money import MoneyInput, ShownMoney
from schema.pagination import After, Before, Connection, First, Last, Paging, connection_of
from schema.programs import Program, ProgramKey, acted, keyed_program, program_row
from schema.voucher_errors import IDEMPOTENCY_KEY, VoucherUserError, refusals

if TYPE_CHECKING:
    from schema.voucher_lists import VoucherEvent


@strawberry.type(description="A fee of a program, such as an application fee.")
class Product(Node):
    row: strawberry.Private[ProductRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Product", self.row.program_id, self.row.id))

    @field("Whose fee it is.")
    async def program(self, info: Info) -> Program:
        return Program(row=await program_row(info, self.row.program_id))

    @field("By which the program's own systems know it; unique in the program.")
    def code(self) -> str:
        return self.row.code

    @field("Its name.")
    def name(self) -> str:
        return self.row.name

    @field("What it costs now. Orders keep the price that they were made at.")
    def price(self) -> ShownMoney:
        return ShownMoney.of(self.row.price)

    @field("Since when nobody can buy it any more; null while they can.")
    def retired_at(self) -> dt.datetime | None:
        return self.row.retired_at

    @field("What was done to it, oldest first. For the program's administrators, and for staff.")
    async def events(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[VoucherEvent, strawberry.lazy("schema.voucher_lists")]]:
        from schema.voucher_lists import program_events

        page = (first, after, last, before)
        return await program_events(info, ProgramThing.PRODUCT, ThingKey(self.row.program_id, self.row.id), page)


async def product_by_key(info: Info, key: InProgram) -> Product | None:
    rows: list[ProductRow] = await info.context.loaders.rows(products_by_key).load(key)
    return Product(row=rows[0]) if rows else None


async def products_page(info: Info, program: ProgramRow, page: Paging) -> Connection[Product]:
    loaders = info.context.loaders
    asked = NamePage(page.limit, page.backward, page.beyond)
    rows: list[ProductRow] = await loaders.rows(products_of, asked).load(program.id)

    async def total() -> int:
        return await loaders.values(product_totals).load(program.id)

    return connection_of([(Product(row=row), (row.name_key, row.id)) for row in rows], page, total)


# ---------------------------------------------------------------------------------------------- mutations


@strawberry.input
class ProductCreateInput:
    program: ProgramKey = strawberry.field(description="Whose fee it is.")
    code: str = strawberry.field(description="1 to 40 printable characters without spaces; unique in the program.")
    name: str = strawberry.field(description="Its name.")
    price: MoneyInput = strawberry.field(description="What it costs.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input
class ProductRepriceInput:
    product: strawberry.ID = strawberry.field(description="The product.")
    price: MoneyInput = strawberry.field(description="What it costs from now on, in the currency that it has.")


@strawberry.input
class ProductRetireInput:
    product: strawberry.ID = strawberry.field(description="The product.")


@strawberry.type
class ProductPayload:
    product: Product | None = strawberry.field(default=None, description="The product as it is now; null if refused.")
    user_errors: list[VoucherUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class ProductCreatePayload(ProductPayload):
    pass


@strawberry.type
class ProductRepricePayload(ProductPayload):
    pass


@strawberry.type
class ProductRetirePayload(ProductPayload):
    pass


@strawberry.type
class ProductMutation:
    @mutation("Define a fee. By the program's administrators, and by staff.", refusals(ProductCreatePayload))
    async def product_create(self, info: Info, input: Annotated[ProductCreateInput, INPUT]) -> ProductCreatePayload:
        program = await keyed_program(info, input.program, "program")
        new = NewProduct(code=input.code, name=input.name, price=input.price.money("price"))
        made = await acted(info, program.id, lambda act: create_product(act, new, input.idempotency_key))
        return ProductCreatePayload(product=await product_by_key(info, InProgram(program.id, made)))

    @mutation(
        "Change what it costs from now on; orders keep their price. By the program's administrators, and by staff.",
        refusals(ProductRepricePayload),
    )
    async def product_reprice(self, info: Info, input: Annotated[ProductRepriceInput, INPUT]) -> ProductRepricePayload:
        key, price = _key(input.product), input.price.money("price")
        await acted(info, key.program_id, lambda act: reprice_product(act, key.id, price))
        return ProductRepricePayload(product=await product_by_key(info, key))

    @mutation(
        "Let nobody buy it any more; what was ordered stays. By the program's administrators, and by staff.",
        refusals(ProductRetirePayload),
    )
    async def product_retire(self, info: Info, input: Annotated[ProductRetireInput, INPUT]) -> ProductRetirePayload:
        key = _key(input.product)
        await acted(info, key.program_id, lambda act: retire_product(act, key.id))
        return ProductRetirePayload(product=await product_by_key(info, key))


def _key(given_id: str) -> InProgram:
    return InProgram(*decode_id(given_id, "Product", 2, "product"))
