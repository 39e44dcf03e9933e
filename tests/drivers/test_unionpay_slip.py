"""Slips of three firmwares, in all their spellings, as canonical fields; and what only looks like a payment."""

import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.contract import Mode
from agent.fields import Kind, problems
from drivers import typeset
from drivers.simulators import slip_layouts as layouts
from drivers.simulators.slip_layouts import Sale, Shop, slip
from drivers.simulators.slip_settlements import settlement
from drivers.terminals import slip_values as values
from drivers.terminals import unionpay_slip
from drivers.terminals.slip_labels import pairs
from drivers.terminals.slip_tap import driver

AT = dt.datetime(2024, 5, 6, 13, 14, 15)
SALE = Sale(12850, 345, 12, AT)
STYLES = (1, 2, 3)


def report(data: bytes):
    talk = driver.converse(Mode.PRINTER, {})
    (found,) = talk.receive(data) + talk.wake(math.inf)
    assert problems(found.fields) == []
    return found


def read(words: str):
    return unionpay_slip.read(words.split("\n"))


@pytest.mark.parametrize("english", [True, False])
@pytest.mark.parametrize("copy", layouts.COPIES)
@pytest.mark.parametrize("style", STYLES)
def test_a_sale_in_every_layout_and_copy(style, copy, english):
    found = report(slip(Shop(style=style, english=english), SALE, copy))
    assert found.kind is Kind.TRANSACTION
    assert found.key == "12345678:000012:000345:sale"
    wanted = {
        "transaction_type": "sale",
        "outcome": "approved",
        "amount_minor": 12850,
        "currency": "CNY",
        "terminal_id": "12345678",
        "merchant_id": "898110057220001",
        "merchant_name": "测试商户",
        "operator": "01",
        "batch_no": "000012",
        "trace_no": "000345",
        "auth_code": "123456",
        "rrn": "130514000345",
        "card_masked": "622202******8888",
        "entry_mode": "chip",
        "issuer": "工商银行",
        "method": "card",
        "terminal_time": "2024-05-06T13:14:15",
        "copy": copy,
        "driver": "slip-tap",
        "profile": f"unionpay-{style}",
    }
    assert {name: found.fields.get(name) for name in wanted} == wanted
    assert "reprint" not in found.fields


@pytest.mark.parametrize("style", STYLES)
def test_copies_of_a_payment_differ_in_paper_only(style):
    facts = []
    for copy in layouts.COPIES:
        fields = dict(report(slip(Shop(style=style), SALE, copy)).fields)
        for name in ("copy", "text", "raw_sha256"):
            del fields[name]
        facts.append(fields)
    assert facts[0] == facts[1] == facts[2]


@pytest.mark.parametrize("kind", layouts.TYPES)
@pytest.mark.parametrize("style", STYLES)
def test_every_type_by_its_words(style, kind):
    fields = report(slip(Shop(style=style), Sale(12850, 346, 12, AT, kind=kind))).fields
    assert (fields["transaction_type"], fields["amount_minor"]) == (kind, 12850)


@pytest.mark.parametrize(
    ("printed", "kind"),
    [
        ("消费", "sale"),
        ("SALE", "sale"),
        ("消费/SALE", "sale"),
        ("电子现金消费", "sale"),
        ("分期付款消费(INSTALMENT)", "sale"),
        ("消费撤销/VOID", "void"),
        ("退货(REFUND)", "refund"),
        ("预授权/AUTH", "preauth"),
        ("追加预授权", "preauth"),
        ("预授权撤销(CANCEL)", "preauth_void"),
        ("预授权完成(通知)/AUTH SETTLEMENT", "completion"),
        ("预授权完成撤销", "completion_void"),
        ("离线结算/OFFLINE", "offline"),
        ("结算调整/ADJUST", "adjustment"),
        ("小费/TIPS", "tip"),
        ("余额查询", "balance"),
        ("圈存/LOAD", "load"),
        ("冲正/REVERSAL", "reversal"),
        ("积分兑换", "other"),
    ],
)
def test_the_words_of_types(printed, kind):
    words = f"POS签购单\n终端号:12345678\n交易类型:{printed}\n金额:RMB 1.00"
    assert read(words).fields["transaction_type"] == kind


@pytest.mark.parametrize("style", STYLES)
def test_a_reprint_says_so_and_is_the_same_payment(style):
    found = report(slip(Shop(style=style), SALE, reprint=True))
    assert found.fields["reprint"] is True
    assert found.key == "12345678:000012:000345:sale"


def test_originals_of_voids_refunds_and_completions():
    shop = Shop(style=1)
    void = report(slip(shop, Sale(100, 9, 1, AT, kind="void", original_trace_no=7))).fields
    refund = report(
        slip(shop, Sale(100, 9, 1, AT, kind="refund", original_rrn="130514000345", original_date="0505"))
    ).fields
    completion = report(slip(shop, Sale(100, 9, 1, AT, kind="completion", original_auth_code="654321"))).fields
    undone = report(slip(shop, Sale(100, 9, 1, AT, kind="completion_void", original_auth_code="654321"))).fields
    assert void["original_trace_no"] == "000007"
    assert (refund["original_rrn"], refund["original_date"]) == ("130514000345", "--05-05")
    assert completion["original_auth_code"] == undone["original_auth_code"] == "654321"


def test_tips_and_totals():
    fields = report(slip(Shop(style=1), Sale(10000, 1, 1, AT, tip_minor=1500))).fields
    assert (fields["amount_minor"], fields["tip_minor"], fields["total_minor"]) == (10000, 1500, 11500)
    blank = read("终端号:12345678\n交易类型:消费\n金额:RMB 1.00\n小费(TIPS):________\n总计(TOTAL):")
    assert not blank.fields.keys() & {"tip_minor", "total_minor"}


def test_foreign_cards_name_their_scheme():
    fields = report(slip(Shop(style=1), Sale(100, 1, 1, AT, scheme="VIS", card_masked="411111******1111"))).fields
    assert (fields["card_scheme"], fields["card_masked"]) == ("VIS", "411111******1111")


@pytest.mark.parametrize("style", STYLES)
def test_fault_and_test_slips_are_no_money(style):
    shop = Shop(style=style)
    fault, test = report(layouts.fault_slip(shop, SALE)), report(layouts.testing_slip(shop, SALE))
    assert (fault.kind, test.kind) == (Kind.NOTICE, Kind.NOTICE)
    assert not {"amount_minor", "transaction_type", "outcome"} & (fault.fields.keys() | test.fields.keys())
    assert fault.fields["terminal_id"] == "12345678"


@pytest.mark.parametrize("name", ["测试商户", "测试餐厅(TEST KITCHEN)", "重庆测试科技"])
def test_a_merchant_may_be_called_test(name):
    assert report(slip(Shop(merchant_name=name), SALE)).kind is Kind.TRANSACTION


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ("卡    号:622202******1234 /S", {"card_masked": "622202******1234", "entry_mode": "swipe"}),
        ("卡号(CARD NO):\n6222 02** **** *888 8    I", {"card_masked": "622202*******8888", "entry_mode": "chip"}),
        ("卡号：622202******1234(C)", {"card_masked": "622202******1234", "entry_mode": "contactless"}),
        ("卡号:622202******1234 M", {"entry_mode": "manual"}),
        ("卡号:622202******1234 N", {"card_masked": "622202******1234"}),
        ("CARD NO: XXXXXXXXXXXX1234", {"card_masked": "************1234"}),
        ("日期/时间(DATE/TIME):\n   2024/05/06 13:14:15", {"terminal_time": "2024-05-06T13:14:15"}),
        ("日期时间:2024-05-06\n13:14:15", {"terminal_time": "2024-05-06T13:14:15"}),
        ("日  期：2024/05/06      时  间：13:14:15", {"terminal_time": "2024-05-06T13:14:15"}),
        ("日期时间:20240506131415", {"terminal_time": "2024-05-06T13:14:15"}),
        ("日期/时间:05/06 13:14:15", {"terminal_time": "--05-06T13:14:15"}),
        ("日期/时间:2024/02/30 13:14:15", {"terminal_time": None}),
        ("日期/时间:2024/05/06 24:00:00", {"terminal_time": None}),
        ("终端号:87654321", {"terminal_id": "87654321"}),
        ("终 端 编 号 ： 87654321", {"terminal_id": "87654321"}),
        ("授权号:123456     交易参考号:130514000345", {"auth_code": "123456", "rrn": "130514000345"}),
        (
            "授权码(AUTH NO)   :\n日期/时间(DATE/TIME):2024/05/06 13:14",
            {"auth_code": None, "terminal_time": "2024-05-06T13:14"},
        ),
        ("商户存根     CARDHOLDER COPY", {"copy": "merchant"}),
        ("CUSTOMER COPY", {"copy": "customer"}),
        ("清算日期:05/06", {"settle_date": "--05-06"}),
        ("支付方式:微信支付\n商户订单号:2024050612345678", {"method": "wechat", "order_no": "2024050612345678"}),
        ("卡类型:贷记卡", {"card_type": "credit"}),
        ("应答码:00", {"response_code": "00"}),
        ("****重打印****", {"reprint": True}),
        ("补打", {"reprint": True}),
    ],
)
def test_fields_in_their_spellings(words, fields):
    found = read(f"POS签购单\n商户编号:898110057220001\n交易类型:消费\n{words}\n金额:RMB 1.00").fields
    for name, value in fields.items():
        assert found.get(name) == value, name


@pytest.mark.parametrize(
    ("printed", "money"),
    [
        ("RMB:128.50", (12850, "CNY")),
        ("RMB 128.50", (12850, "CNY")),
        ("  RMB  128.50", (12850, "CNY")),
        ("RMB -128.50", (12850, "CNY")),
        ("-128.50", (12850, "CNY")),
        ("¥1,128.50", (112850, "CNY")),
        ("128.50元", (12850, "CNY")),
        ("128", (12800, "CNY")),
        ("0.00", (0, "CNY")),
        ("HKD 10.00", (1000, "HKD")),
        ("128.505", None),
        ("1e9", None),
        ("NaN", None),
        ("12,8.50", None),
        ("", None),
        ("RMB", None),
        ("1234567890123.00", None),
        ("١٢٣", None),
    ],
)
def test_amounts(printed, money):
    assert values.amount(printed) == money


def test_full_width_amounts_are_read():
    assert read("终端号:12345678\n交易类型:消费\n金额：￥１２８．５０").fields["amount_minor"] == 12850


@pytest.mark.parametrize(
    "words",
    [
        "",
        "欢迎光临\n合计:68.00",
        "桌号：28\n消费合计：68.00",
        "终端号:12345678\n金额:RMB 1.00",  # no type
        "终端号:12345678\n交易类型:消费",  # no amount
        "交易类型:消费\n金额:RMB 1.00",  # nobody's
        "终端号:12345678\n交易类型:消费\n金额:RMB 1.005",
    ],
)
def test_what_is_no_payment_slip_is_not_made_one(words):
    assert read(words) is None


def test_a_declined_slip_is_declined():
    assert read("终端号:12345678\n交易类型:消费\n金额:RMB 1.00\n交易失败").fields["outcome"] == "declined"


@pytest.mark.parametrize("style", STYLES)
def test_settlements(style):
    shop, later = Shop(style=style), dt.datetime(2024, 5, 6, 22, 1, 2)
    sales = [
        SALE,
        Sale(25700, 346, 12, AT),
        Sale(1000, 347, 12, AT, kind="refund"),
        Sale(500, 348, 12, AT, scheme="VIS"),
    ]
    found = report(settlement(shop, sales, later))
    assert (found.kind, found.key) == (Kind.SETTLEMENT, "12345678:000012:settlement")
    fields = found.fields
    assert (fields["batch_no"], fields["terminal_time"]) == ("000012", "2024-05-06T22:01:02")
    if style == 2:
        assert {"group": "domestic", "transaction_type": "debit", "count": 2, "amount_minor": 38550} in fields["totals"]
        assert {"group": "domestic", "transaction_type": "credit", "count": 1, "amount_minor": 1000} in fields["totals"]
    else:
        assert {"group": "domestic", "transaction_type": "sale", "count": 2, "amount_minor": 38550} in fields["totals"]
        assert {"group": "domestic", "transaction_type": "refund", "count": 1, "amount_minor": 1000} in fields["totals"]
        assert {"group": "foreign", "transaction_type": "sale", "count": 1, "amount_minor": 500} in fields["totals"]
    assert fields["verdict"] == {"domestic": "balanced"} | ({"foreign": "balanced"})
    unbalanced = report(settlement(shop, sales, later, balanced=False)).fields
    assert unbalanced["verdict"] == {"domestic": "unbalanced", "foreign": "unbalanced"}
    again = report(settlement(shop, sales, later, reprint=True)).fields
    assert again["reprint"] is True
    assert ("verdict" in again) is (style != 1)  # that firmware leaves it out


def test_other_lists():
    details = read(
        "交易明细/TXN LIST\n终端号:12345678\n凭证号  类型 授权码   金额  卡号\n000345   S   123456  128.50 622202******8888"
    )
    totals = read("交易总计单\n终端号:12345678\n类型  笔数     金额\n内卡借记  3   385.50\n内卡贷记  0   0.00")
    assert (details.kind, totals.kind) == (Kind.DETAIL_LIST, Kind.DETAIL_LIST)  # nothing was settled
    assert totals.fields["totals"][0] == {
        "group": "domestic",
        "transaction_type": "debit",
        "count": 3,
        "amount_minor": 38550,
    }


def test_pairs_say_where_the_value_stood():
    found = pairs(["批次号:000012   凭证号:000345", "商户名称:", "", "测试商户"])
    assert [(pair.name, pair.value, pair.below, pair.second) for pair in found] == [
        ("batch_no", "000012", False, False),
        ("trace_no", "000345", False, True),
        ("merchant_name", "测试商户", True, False),
    ]


@given(
    st.lists(
        st.sampled_from(
            typeset.text(slip(Shop(style=1), SALE)).split("\n") + typeset.text(slip(Shop(style=3), SALE)).split("\n")
        )
        | st.text(max_size=30).map(lambda words: words.replace("\n", " ")),
        max_size=40,
    )
)
def test_any_lines_give_well_formed_fields_or_nothing(lines):
    found = unionpay_slip.read(lines)
    assert found is None or problems(found.fields) == []
