"""Reading what a fold needs, where all records are in memory."""

from collections.abc import Mapping

from swpt_client.core import Needs, Records, accounts_of, transfers_of
from swpt_client.records import Account, AccountKey, Bundle, RequestKey, Transfer


def records_of(
    needs: Needs,
    requests: Mapping[RequestKey, str],
    accounts: Mapping[AccountKey, Account],
    transfers: Mapping[str, Transfer],
    bundles: Mapping[str, Bundle],
) -> Records:
    """What the needs mean in such tables: their keys are completed, and read."""
    keys = needs.transfers | {requests[one] for one in needs.requests if one in requests}
    found = [transfers[key] for key in keys if key in transfers]
    names = needs.bundles | {one.bundle_key for one in found if one.bundle_key is not None}
    wanted = {name: bundles[name] for name in names if name in bundles}
    locked = set(needs.accounts)
    for bundle in wanted.values():
        keys |= transfers_of(bundle)
        locked |= accounts_of(bundle)
    return Records(
        {key: accounts[key] for key in locked | needs.glimpses if key in accounts},
        {key: transfers[key] for key in keys if key in transfers},
        wanted,
        glimpsed=needs.glimpses - locked,
    )
