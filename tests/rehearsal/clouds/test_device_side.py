"""What a unit is told at its first boot, and what it is refused."""

from __future__ import annotations

import re
import subprocess

import pytest

from factory.rehearsal.clouds.faults import CloudFault
from factory.rehearsal.clouds.server import SimulatedClouds
from factory.rehearsal.clouds.world import Settings
from tests import programs
from tests.rehearsal.clouds.conftest import BULK, Talker, a_file, a_row


def test_a_first_boot_ends_online(talker: Talker) -> None:
    hwid = talker.new_id()
    bic, _ = talker.lot(hwid)
    assert talker.information(bic, hwid)["status"] == "true"
    friendly = talker.friendly(bic, hwid)
    pids = friendly["projects"].split(",")
    assert friendly["status"] == "true"
    assert pids[0] == bic
    assert len(pids) == 3
    for pid in pids:
        got = talker.http.get(f"/apv/v27/project/provisioning/download/{pid}")
        lines = got.text.splitlines()
        assert got.status_code == 200
        assert got.text.endswith("\n")
        assert got.text.count("#begin") == 1
        assert lines[lines.index("#begin") + 1] == pid
        assert len(pid) == 36
        configuration = talker.http.get(f"{BULK}/configuration/{pid}/{hwid}/").json()
        assert configuration["status"] == "true"
        assert configuration["enabled"] == "1"
        assert all(isinstance(value, str) for value in configuration.values())
    reply = talker.boot(bic, hwid)
    assert re.fullmatch(r"[0-9A-F]{2}(:[0-9A-F]{2}){7}", reply["uid"])
    unit = talker.clouds.remoteit.unit(hwid)
    assert unit["online"]
    assert unit["registered"]
    assert unit["uid"] == reply["uid"]
    assert all(service["registered"] for service in unit["services"])


def test_the_units_parser_can_read_every_reply(talker: Talker) -> None:
    """Compact, no bar and no field's name inside a reason: what a parser by lines and words would stumble over."""
    hwid = talker.new_id()
    bic, _ = talker.lot(hwid, publish=False)
    texts = [
        talker.http.post(f"{BULK}/device/information/", content="no json").text,
        talker.http.get(f"{BULK}/device/friendly/configuration/{bic}/{hwid}/").text,
        talker.http.get(f"{BULK}/device/friendly/configuration/{bic}/none/").text,
        talker.http.get(f"{BULK}/device/friendly/configuration/{bic}/default./").text,
        talker.http.post(f"{BULK}/register", json={"project_id": bic, "hardware_id": hwid}).text,
        talker.http.post(f"{BULK}/device/ready/", json={"BulkIdentificationCode": bic, "HardwareId": hwid}).text,
    ]
    for text in texts:
        assert '": ' not in text
        assert '", ' not in text
        reason = re.search(r'"reason":"([^"]+)"', text)
        assert reason, text
        assert not set("|{},\\") & set(reason[1])
        assert not {"status", "reason", "uid", "secret", "projects", "HardwareId"} & set(re.findall(r"\w+", reason[1]))


@pytest.mark.parametrize("hwid", ["default.", "Issue hardware id is not set properly", "unknown", "AA\rBB"])
def test_ids_that_are_no_units(talker: Talker, hwid: str) -> None:
    bic, _ = talker.lot(talker.new_id())
    assert talker.information(bic, hwid)["status"] == "false"
    assert talker.register(bic, hwid)["status"] == "false"


def test_wrong_key_other_case_and_other_product(talker: Talker) -> None:
    hwid = talker.new_id()
    bic, _ = talker.lot(hwid)
    other, _ = talker.lot(talker.new_id())
    assert "key" in talker.register(bic, hwid, "KEY-other")["reason"]
    assert "not found" in talker.friendly(bic, hwid.upper())["reason"]
    assert "another product" in talker.friendly(other, hwid)["reason"]
    assert talker.friendly(bic.lower(), hwid)["reason"] == "no matching bulk project"


def test_a_second_registration_is_refused_until_it_was_deleted_and_uploaded_again(talker: Talker) -> None:
    hwid = talker.new_id()
    bic, registration = talker.lot(hwid)
    first = talker.boot(bic, hwid)
    assert talker.register(bic, hwid) == {"status": "false", "reason": "registered already"}
    portal = talker.clouds.remoteit
    portal.delete(registration.id)
    assert "not found" in talker.register(bic, hwid)["reason"]
    portal.publish(portal.upload(bic, "again", a_file(a_row(hwid))).id)
    assert talker.boot(bic, hwid)["uid"] != first["uid"]


def test_nothing_before_it_is_published(talker: Talker) -> None:
    hwid = talker.new_id()
    bic, _ = talker.lot(hwid, publish=False)
    assert talker.friendly(bic, hwid)["reason"] == "not published"
    assert talker.register(bic, hwid)["status"] == "false"


def test_pending_while_it_is_being_published(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("slow")
    with SimulatedClouds(folder, settings=Settings(publish_seconds=3600)) as clouds:
        talker = Talker(clouds)
        bic, registration = talker.lot("aa01")
        assert registration.state == "publishing"
        assert talker.register(bic, "aa01")["status"] == "pending"
        assert talker.friendly(bic, "aa01")["status"] == "false"
        talker.http.close()


def test_a_second_machine_with_the_same_identity_is_flagged(talker: Talker) -> None:
    hwid = talker.new_id()
    bic, _ = talker.lot(hwid)
    talker.boot(bic, hwid)
    talker.information(bic, hwid)
    assert not talker.clouds.remoteit.unit(hwid)["cloned"]
    talker.information(bic, hwid, mac="02:00:00:00:00:99")
    assert talker.clouds.remoteit.unit(hwid)["cloned"]


def test_ready_wants_the_devices_secret(talker: Talker) -> None:
    hwid = talker.new_id()
    bic, _ = talker.lot(hwid)
    talker.information(bic, hwid)
    talker.register(bic, hwid)
    ready = {"BulkIdentificationCode": bic, "HardwareId": hwid, "DeviceSecret": "0" * 40}
    assert talker.post(f"{BULK}/device/ready/", ready)["status"] == "false"
    assert not talker.clouds.remoteit.unit(hwid)["online"]


def test_reset_and_pending_on_demand(talker: Talker) -> None:
    hwid = talker.new_id()
    bic, _ = talker.lot(hwid)
    talker.clouds.faults.set(CloudFault.CLONE_RESET)
    talker.clouds.faults.set(CloudFault.PENDING, 2)
    reset = talker.friendly(bic, hwid)
    assert (reset["status"], reset["HardwareId"]) == ("reset", f"{hwid}-1")
    assert talker.friendly(bic, reset["HardwareId"])["status"] == "false"
    assert [talker.register(bic, hwid)["status"] for _ in range(3)] == ["pending", "pending", "true"]


def test_unknown_provisioning_file_and_no_redirects(talker: Talker) -> None:
    assert talker.http.get("/apv/v27/project/provisioning/download/none").status_code == 404
    assert talker.http.post(f"{BULK}/device/information", content="{}").status_code == 404


def test_the_version_of_a_component(talker: Talker) -> None:
    hwid = talker.new_id()
    bic, _ = talker.lot(hwid)
    reply = talker.boot(bic, hwid)
    document = {"hardware_id": hwid, "device_address": reply["uid"], "device_secret": reply["secret"]}
    path = "/apv/v27/device/component/version"
    assert talker.post(path, document)["status"] == "true"
    assert talker.post(path, {**document, "device_secret": "x"})["status"] == "false"


_SCRIPT = r"""
say() { curl -s -S --cacert "$CA" -X "$@" -H "content-type:application/json"; }
value() { tr -d '{}\\"' | tr ',' '\n' | grep -w "$1" | sed -e 's/^[^[]*\[//' -e 's/^[^:]*://' -e 's/.*|//'; }
friendly=$(say GET "$URL/device/friendly/configuration/$BIC/$HWID/")
echo "friendly $(echo "$friendly" | value status) $(echo "$friendly" | value HardwareId)"
configuration=$(say GET "$URL/configuration/$BIC/$HWID/")
for key in status enabled content_ip content_port content_type; do
  echo "$key $(echo "$configuration" | value $key)"
done
register() {
  say POST "$URL/register" -d "{\"project_id\":\"$BIC\",\"hardware_id\" : \"$HWID\", \"registration_key\" : \"$1\"}"
}
refused=$(register wrong)
echo "refused $(echo "$refused" | value status): $(echo "$refused" | value reason)"
registered=$(register "KEY-$HWID")
echo "registered $(echo "$registered" | value status)"
echo "uid $(echo "$registered" | value uid)"
echo "secret $(echo "$registered" | value secret)"
"""


def test_a_shell_with_curl_and_sed_gets_one_value_for_every_key(talker: Talker) -> None:
    """The replies through a parser by words and lines, as the unit has it; written from its description."""
    programs.require("curl")
    hwid = talker.new_id()
    bic, _ = talker.lot(hwid)
    environment = {"CA": str(talker.clouds.ca), "URL": talker.clouds.url + BULK, "BIC": bic, "HWID": hwid}
    done = subprocess.run(
        ["/bin/sh", "-c", _SCRIPT],
        env={**environment, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    unit = talker.clouds.query("SELECT uid, secret FROM remoteit_services WHERE hardware_id = ? AND pid = ?", hwid, bic)
    assert done.stdout.splitlines() == [
        f"friendly true {hwid}",
        "status true",
        "enabled 1",
        "content_ip 127.0.0.1",
        "content_port 65535",
        "content_type 35",
        "refused false: wrong registration key",
        "registered true",
        f"uid {unit[0]['uid']}",
        f"secret {unit[0]['secret']}",
    ]
