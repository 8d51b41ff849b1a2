"""Errors of the clouds become ours: what is wrong, where, and what to do about it."""

import json

import pytest
import requests
from keystoneauth1 import exceptions as keystone
from openstack import exceptions as sdk

from xenci.errors import Permanent, Temporary, XenciError
from xenci.providers.openstack_errors import translate, translated
from xenci.providers.port import ApiDown, NoCapacity, QuotaExceeded, ServerMissing, WrongSetup


def http(status: int, words: str = "words of the cloud") -> sdk.HttpException:
    """Return what the SDK raises of a cloud's answer."""
    answer = requests.Response()
    answer.status_code, answer.url = status, "http://cloud/v2.1/servers"
    answer.headers["content-type"] = "application/json"
    answer._content = json.dumps({"error": {"message": words, "code": status}}).encode()
    with pytest.raises(sdk.HttpException) as caught:
        sdk.raise_from_response(answer)
    return caught.value


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (http(403, "Quota exceeded for instances: Requested 1, but already used 1 of 1 instances"), QuotaExceeded),
        (http(413, "Quota exceeded for ports"), QuotaExceeded),
        (http(403, "Policy does not allow this"), WrongSetup),
        (http(400, "No valid host was found."), NoCapacity),
        (http(400, "The requested availability zone is not available"), NoCapacity),
        (http(409, "No fixed IP addresses available for network"), NoCapacity),
        (http(400, "Can not find requested image"), WrongSetup),
        (http(401, "The request you have made requires authentication."), WrongSetup),
        (http(404), ServerMissing),
        (http(409, "Cannot 'delete' while it is in task_state x"), Temporary),
        (http(413, "Request too large"), ApiDown),
        (http(429), ApiDown),
        (http(500), ApiDown),
        (http(503), ApiDown),
        (keystone.Unauthorized(), WrongSetup),
        (keystone.InternalServerError(), ApiDown),
        (keystone.ConnectFailure("refused"), ApiDown),
        (keystone.ConnectTimeout("timed out"), ApiDown),
        (keystone.EndpointNotFound("public endpoint for compute"), WrongSetup),
        (keystone.MissingRequiredOptions([]), WrongSetup),
        (sdk.ConfigException("Cloud nope was not found."), WrongSetup),
        (sdk.SDKException("something else"), ApiDown),
        (requests.exceptions.JSONDecodeError("no JSON", "<html>", 0), ApiDown),
        (requests.exceptions.ChunkedEncodingError("cut"), ApiDown),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else type(value).__name__,
)
def test_each_failure_has_its_class_and_says_where(error: Exception, ours: type[XenciError]) -> None:
    said = translate(error, provider="ca", cloud="ca-demo", doing="creating lab-node-000001")
    assert type(said) is ours
    assert "provider ca, creating lab-node-000001" in said.sentence
    if isinstance(said, Permanent):
        assert said.remedy


def test_the_sdks_errors_are_raised_as_ours_and_keep_their_cause() -> None:
    with pytest.raises(QuotaExceeded) as caught, translated("ca", "ca-demo", "creating"):
        raise http(403, "Quota exceeded")
    assert isinstance(caught.value.__cause__, sdk.HttpException)


def test_a_fault_in_our_own_code_is_not_taken_for_the_clouds() -> None:
    with pytest.raises(KeyError), translated("ca", "ca-demo", "creating"):
        raise KeyError("ours")


def test_long_and_broken_words_of_a_cloud_make_one_line() -> None:
    said = translate(http(500, "line\n" * 1000), provider="ca", cloud="c", doing="listing")
    assert "\n" not in said.sentence
    assert len(said.sentence) < 600
