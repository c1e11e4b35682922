"""Temporary files: a folder that cannot be used is one line that says what to set."""

import tempfile

import pytest

from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.runtime.temporary import temporary_files


def test_a_folder_that_does_not_exist_is_one_line(tmp_path):
    """The line names the folder, and the variable that chooses another one."""
    missing = tmp_path / "missing"
    with pytest.raises(OperatorError) as refused, temporary_files():
        tempfile.mkdtemp(dir=missing)
    assert str(missing) in str(refused.value)
    assert "TMPDIR" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_is_no_fault_of_the_folder_comes_out_as_it_is():
    """A bug of ours stays loud."""
    with pytest.raises(ZeroDivisionError), temporary_files():
        _ = 1 / 0
