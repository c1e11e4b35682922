"""What goes over HTTP."""

from marshmallow import Schema, fields, validate

from house.fields import Email, Money, WrittenFlag, WrittenInteger


class BalanceSchema(Schema):
    currency = fields.String(required=True)
    balance = Money(required=True)


class DepositSchema(Schema):
    sum = Money(required=True)
    user_email = Email(load_default=None)


class TransferSchema(Schema):
    user_email = Email(required=True)
    sum = Money(required=True)


class InvoiceRequestSchema(Schema):
    sum = Money(required=True)


class PayInvoiceSchema(Schema):
    uuid = fields.UUID(required=True)


class PaymentSchema(Schema):
    id = fields.UUID(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(["deposit", "transfer", "invoice"]))
    status = fields.String(required=True, validate=validate.OneOf(["running", "done", "refused"]))
    is_done = fields.Boolean(required=True)
    sum = Money(required=True)
    payer = fields.String(required=True, allow_none=True)
    payee = fields.String(required=True)
    invoice = fields.UUID(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)
    code = fields.String(metadata={"description": "STILL_RUNNING, or why it was refused."})


class InvoiceSchema(Schema):
    id = fields.UUID(required=True)
    kind = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(["open", "running", "paid"]))
    is_done = fields.Boolean(required=True)
    sum = Money(required=True)
    payee = fields.String(required=True)
    created_at = fields.DateTime(required=True)


class LineSchema(Schema):
    id = fields.UUID(required=True, allow_none=True)
    kind = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(["done", "running", "open"]))
    is_done = fields.Boolean(required=True)
    sum = Money(required=True, attribute="cents")
    balance = Money(required=True, allow_none=True)
    other = fields.String(required=True, allow_none=True)
    at = fields.DateTime(required=True)


class HistoryQuery(Schema):
    is_done = WrittenFlag(load_default=None)
    page = WrittenInteger(least=1, most=1_000_000, load_default=1)
    page_size = WrittenInteger(least=1, most=100, load_default=20)


class HistorySchema(Schema):
    count = fields.Integer(required=True)
    results = fields.List(fields.Nested(LineSchema), required=True)
