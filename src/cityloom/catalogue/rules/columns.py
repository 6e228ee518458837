"""The columns of the departments' workbook, and what people write in them, however they spell it.

The table follows the form of the compilation guide (编制指南, annex 3); what we know beyond it has columns of its own.
"""

import re
from typing import Literal

import msgspec

from cityloom.catalogue.rules.claims import folded
from cityloom.kernel.words import Text

Level = Literal["resource", "item"]
IN_BRACKETS = re.compile(r"[（(\[【][^）)\]】]*[）)\]】]")
NUMBERED = re.compile(r"^[\d一二三四五六七八九十]+[.、．)）]\s*")


class Column(msgspec.Struct, frozen=True):
    """One column: its key, what its header says, and other spellings, parted by |."""

    key: str
    title: Text
    others: str = ""
    level: Level = "resource"
    width: int = 16


COLUMNS = (
    Column("id", Text("Resource id", "资源标识"), "id|标识|资源id", width=20),
    Column("class", Text("Class", "类"), "信息资源类|类名称|资源大类|所属类|一级分类|类别", width=10),
    Column("subclass", Text("Subclass", "项"), "信息资源项|项名称|二级分类", width=10),
    Column("group", Text("Group", "目"), "信息资源目|目名称|三级分类", width=10),
    Column("detail", Text("Detail", "细目"), "信息资源细目|细目名称|四级分类", width=10),
    Column("category", Text("Category code", "分类代码"), "信息资源分类代码|资源分类代码|分类编码|前段码"),
    Column("code", Text("Resource code", "信息资源代码"), "资源代码|信息资源编码|资源编码|目录代码|目录编码|信息资源标识符|政务信息资源代码|code"),
    Column("title", Text("Name", "信息资源名称"), "资源名称|目录名称|数据目录名称|数据资源名称|政务信息资源名称|信息资源|数据名称|name|title|resource name", width=30),
    Column("title_en", Text("Name in English", "信息资源英文名称"), "英文名称|资源英文名称|english name", width=30),
    Column("keeper", Text("Keeper", "信息资源提供方"), "提供方|提供单位|资源提供方|数源部门|数源单位|责任部门|责任单位|主责单位|来源部门|所属部门|提供部门|提供方名称|编目单位|provider|publisher|department", width=24),
    Column("keeper_code", Text("Keeper's credit code", "信息资源提供方代码"), "提供方代码|提供单位代码|统一社会信用代码|资源提供方代码|提供方编码|部门代码", width=22),
    Column("summary", Text("Summary", "信息资源摘要"), "摘要|资源摘要|描述|简介|资源描述|目录摘要|说明|abstract|description", width=40),
    Column("summary_en", Text("Summary in English", "信息资源英文摘要"), "英文摘要", width=30),
    Column("subject", Text("Subject", "对象类别"), "对象|主体类别|数据对象"),
    Column("legal_basis", Text("Legal basis", "法律依据"), "来源依据|职责依据|采集依据|法定依据|依据|三定职责|权责依据|采集法律依据", width=30),
    Column("legal_basis_en", Text("Legal basis in English", "法律依据英文"), "", width=30),
    Column("carrier", Text("Kind of format", "信息资源格式分类"), "格式分类|资源格式分类|资源格式|信息资源格式|数据格式分类"),
    Column("format", Text("Format", "信息资源格式类型"), "格式类型|资源格式类型|数据格式|format"),
    Column("sharing", Text("Sharing", "共享类型"), "共享属性|共享方式类别|共享类别|共享级别|是否共享|sharing type"),
    Column("sharing_condition", Text("Condition of sharing", "共享条件"), "有条件共享条件|共享条件说明|共享范围|共享要求|共享条件不予共享依据", width=30),
    Column("sharing_condition_en", Text("Condition of sharing in English", "共享条件英文"), "", width=30),
    Column("refusal_law", Text("Law against sharing", "不予共享依据"), "不共享依据|不予共享的依据|不予共享理由|不予共享法律依据", width=30),
    Column("refusal_law_en", Text("Law against sharing in English", "不予共享依据英文"), "", width=30),
    Column("sharing_way", Text("Way of sharing", "共享方式"), "共享方式分类|提供方式|共享途径|共享方式类型"),
    Column("openness", Text("Openness", "开放类型"), "开放属性|是否开放|是否向社会开放|社会开放|开放方式|是否社会开放"),
    Column("open_condition", Text("Condition of openness", "开放条件"), "开放条件说明|开放要求", width=30),
    Column("open_condition_en", Text("Condition of openness in English", "开放条件英文"), "", width=30),
    Column("cycle", Text("Update cycle", "更新周期"), "更新频率|更新频度|数据更新周期|数据更新频率|信息更新周期|update frequency"),
    Column("issued", Text("Issued on", "发布日期"), "发布时间|首次发布日期|编制日期|发布年月日|issued"),
    Column("related", Text("Related codes", "关联资源代码"), "关联资源|关联信息资源代码|关联资源编码|关联代码", width=24),
    Column("derived_from", Text("Derived from", "派生自"), "来源资源|派生来源", width=24),
    Column("regraded", Text("Why graded lower", "降级理由"), "", width=24),
    Column("regraded_en", Text("Why graded lower in English", "降级理由英文"), "", width=24),
    Column("item", Text("Item", "信息项名称"), "信息项|数据项|数据项名称|字段名称|信息项中文名称|字段中文名|中文名称|指标项|item|field", "item", 24),
    Column("item_en", Text("Item in English", "信息项英文名称"), "字段英文名|英文字段名|字段名|数据项英文名称", "item", 24),
    Column("type", Text("Type", "数据类型"), "信息项类型|字段类型|数据项类型|类型|data type", "item", 12),
    Column("length", Text("Length", "数据长度"), "长度|字段长度|信息项长度|length", "item", 10),
    Column("element", Text("Data element", "数据元"), "数据元标识|数据元名称", "item"),
    Column("qualifier", Text("Qualifier", "限定词"), "", "item", 12),
    Column("grade", Text("Grade", "数据分级"), "分级|数据级别|安全级别|敏感级别|信息项级别|数据安全级别|grade", "item", 10),
    Column("personal", Text("Personal", "个人信息"), "是否个人信息|是否涉及个人信息|涉及个人信息", "item", 10),
    Column("required", Text("Required", "是否必填"), "必填|是否必选|是否为空要求", "item", 10),
    Column("authoritative", Text("Source", "数源"), "是否数源|权威数源|一数一源|是否权威来源", "item", 10),
    Column("standard", Text("Standard", "信息项标准"), "标准|遵循标准|引用标准", "item", 20),
)  # fmt: skip
BY_KEY = {column.key: column for column in COLUMNS}


def _spelt(column: Column) -> list[str]:
    return [column.key, column.title.en, column.title.zh, *filter(None, column.others.split("|"))]


SPELLINGS = {folded(spelling): column.key for column in reversed(COLUMNS) for spelling in _spelt(column)}


def column_of(header: str) -> str:
    """The key of the column that a header means; empty where it means none."""
    for text in (header, IN_BRACKETS.sub("", header), NUMBERED.sub("", IN_BRACKETS.sub("", header))):
        if key := SPELLINGS.get(folded(text)):
            return key
    return ""


def _words(table: dict[str, str]) -> dict[str, str]:
    return {folded(word): value for value, listed in table.items() for word in (value, *listed.split("|"))}


VALUES: dict[str, dict[str, str]] = {
    "sharing": _words(
        {
            "unconditional": "无条件共享|无条件|无条件共享类|完全共享|普遍共享|是",
            "conditional": "有条件共享|有条件|条件共享|依申请|依申请共享|授权共享|受限共享|部分共享",
            "refused": "不予共享|不共享|不予|非共享|不能共享|否",
        }
    ),
    "openness": _words(
        {
            "open": "无条件开放|开放|是|无条件|完全开放|向社会开放",
            "conditional": "有条件开放|有条件|依申请|依申请开放|受限开放|部分开放",
            "closed": "不予开放|不开放|否|不予|非开放|不向社会开放|暂不开放|禁止开放|无",
        }
    ),
    "cycle": _words(
        {
            "real_time": "实时|即时|实时更新|real time|realtime|continuous",
            "day": "每日|日|每天|天|按日|每日更新|1天|一天|daily",
            "week": "每周|周|按周|星期|每星期|一周|weekly",
            "month": "每月|月|按月|月度|每月更新|一个月|1个月|monthly",
            "quarter": "每季度|季|季度|每季|按季|按季度|quarterly",
            "half_year": "每半年|半年|半年度|按半年|half year|biannual|semiannual",
            "year": "每年|年|年度|按年|每年度|一年|yearly|annual",
            "irregular": "不定期|其他|其它|按需|自定义|不定时|不固定|不更新|一次性|动态更新",
        }
    ),
    "carrier": _words(
        {
            "document": "电子文件|文档|文件|电子文档",
            "spreadsheet": "电子表格|表格|excel|xls|xlsx",
            "database": "数据库|库表|数据表|结构化数据|数据库类",
            "image": "图形图像|图像|图片|图形|图形图像类",
            "stream": "流媒体|音视频|视频|音频",
            "self_described": "自描述格式|自描述|xml|json",
            "interface": "服务接口|接口|api|web服务|webservice",
            "other": "其他|其它|未分类",
        }
    ),
    "sharing_way": _words(
        {
            "platform": "共享平台方式|共享平台|平台|平台共享|通过平台共享|数据共享交换平台",
            "exchange": "数据交换|库表|库表交换|库表推送|数据推送|前置机",
            "query": "查询|联机查询|在线查询|在线浏览|核验|查询核验",
            "interface": "接口|服务接口|api|api接口|接口调用|调用在线服务|系统对接|webservice",
            "file": "文件|文件下载|文件交换|下载|ftp",
            "mail": "邮件|电子邮件",
            "copy": "拷贝|硬拷贝|光盘拷贝",
            "medium": "介质|介质交换|存储介质|光盘",
            "": "无|其他|其它|未定",
        }
    ),
    "type": _words(
        {
            "text": "字符型c|字符型|字符|字符串|字符串型|文本|文本型|c|varchar|varchar2|char|nvarchar|string|clob|text|枚举|代码型",
            "integer": "整型|整数|整数型|整形|int|integer|bigint|smallint|长整型",
            "decimal": "数值型n|数值型|数值|数字型|数字|n|number|numeric|decimal|货币型|金额",
            "number": "浮点型|浮点|双精度|双精度型|float|double|real",
            "boolean": "布尔型|布尔|布尔型b|逻辑型|逻辑|b|l|bool|boolean|是否型",
            "date": "日期型d|日期型|日期|d|date|年月日",
            "timestamp": "日期时间型|日期时间型dt|日期时间|时间型|时间戳|时间|dt|t|datetime|timestamp|time",
            "binary": "二进制型|二进制|二进制型by|by|blob|binary|图片|图像|附件|文件",
        }
    ),
    "grade": _words({"1": "1级|一级|l1|第1级|第一级|一|公开|一般1级", "2": "2级|二级|l2|第2级|第二级|二|内部|一般2级",
                     "3": "3级|三级|l3|第3级|第三级|三|敏感|重要", "4": "4级|四级|l4|第4级|第四级|四|机密|核心"}),
    "yes": _words({"yes": "是|y|true|1|√|有|对|v|✓|✔", "": "否|n|no|false|0|×|无|x|不是|不涉及"}),
}  # fmt: skip
CHOICES: dict[str, dict[str, Text]] = {
    "sharing": {"unconditional": Text("unconditional", "无条件共享"), "conditional": Text("conditional", "有条件共享"),
                "refused": Text("refused", "不予共享")},
    "openness": {"open": Text("open", "无条件开放"), "conditional": Text("conditional", "有条件开放"),
                 "closed": Text("closed", "不予开放")},
    "cycle": {"real_time": Text("real_time", "实时"), "day": Text("day", "每日"), "week": Text("week", "每周"),
              "month": Text("month", "每月"), "quarter": Text("quarter", "每季度"), "half_year": Text("half_year", "每半年"),
              "year": Text("year", "每年"), "irregular": Text("irregular", "不定期")},
    "carrier": {"document": Text("document", "电子文件"), "spreadsheet": Text("spreadsheet", "电子表格"),
                "database": Text("database", "数据库"), "image": Text("image", "图形图像"), "stream": Text("stream", "流媒体"),
                "self_described": Text("self_described", "自描述格式"), "interface": Text("interface", "服务接口"),
                "other": Text("other", "其他")},
    "sharing_way": {"": Text("", ""), "platform": Text("platform", "共享平台方式"), "exchange": Text("exchange", "数据交换"),
                    "query": Text("query", "联机查询"), "interface": Text("interface", "接口"), "file": Text("file", "文件"),
                    "mail": Text("mail", "邮件"), "copy": Text("copy", "拷贝"), "medium": Text("medium", "介质")},
    "type": {"text": Text("text", "字符型"), "integer": Text("integer", "整型"), "decimal": Text("decimal", "数值型"),
             "number": Text("number", "浮点型"), "boolean": Text("boolean", "布尔型"), "date": Text("date", "日期型"),
             "timestamp": Text("timestamp", "日期时间型"), "binary": Text("binary", "二进制型")},
    "grade": {grade: Text(grade, f"{grade}级") for grade in "1234"},
}  # fmt: skip
"""What we write ourselves."""
