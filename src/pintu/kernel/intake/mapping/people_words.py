"""What columns that say something of a person are called, in Chinese and English: data."""

from __future__ import annotations

from typing import Final

from pintu.kernel.intake.mapping.words import PersonMark

# a name that says it alone
STRONG: Final[dict[PersonMark, str]] = {
    "name": "姓名 患者姓名 学生姓名 家长姓名 户主 户主姓名 监护人 家长 申请人 被保险人 "
    "参保人 老人姓名 居民姓名 联系人姓名 曾用名 fullname personname patientname "
    "studentname firstname lastname surname familyname givenname guardian "
    "guardianname",
    "id_number": "身份证 身份证号 身份证号码 公民身份号码 公民身份证号码 证件号 证件号码 "
    "护照号 护照号码 监护人身份证 idcard idcardno idcardnumber identitycard "
    "identityno identitynumber nationalid passport passportno ssn",
    "phone": "手机 手机号 手机号码 移动电话 家庭电话 本人电话 家长电话 监护人电话 "
    "联系手机 mobile mobileno mobilephone cellphone homephone",
    "address": "住址 家庭住址 家庭地址 户籍地址 户籍地 居住地址 居住地 现住址 现居地 "
    "常住地址 homeaddress residence residentialaddress",
    "birth": "出生日期 出生年月 出生年月日 生日 birth birthdate birthday dateofbirth dob",
    "account": "银行账号 银行卡号 社保号 社保卡号 医保号 医保卡号 学号 学籍号 病历号 "
    "住院号 门诊号 微信号 qq qq号 车牌 车牌号 车牌号码 bankaccount cardno "
    "patientid patientno studentid studentno medicalrecordno licenseplate "
    "plateno",
    "health": "诊断 诊断结果 病情 病名 疾病 病史 既往史 过敏史 用药 血型 残疾类别 "
    "残疾等级 diagnosis disease allergy allergies medication bloodtype "
    "disability",
}
# a name that may be a person's or a place's
WEAK: Final[dict[PersonMark, str]] = {
    "name": "联系人 负责人 法人 法定代表人 经办人 contactname contactperson name 名字",
    "phone": "电话 联系电话 联系方式 电话号码 phone phoneno phonenumber tel telephone contact",
    "address": "地址 详细地址 详情地址 通讯地址 address addr",
    "birth": "年龄 age",
    "account": "账号 账户 用户名 邮箱 电子邮箱 email mail account username",
}
# what stands beside the telephone of a place
OF_A_PLACE: Final = (
    "工作时间 营业时间 开放时间 服务时间 经度 纬度 坐标 location geometry lon lng lat "
    "longitude latitude openinghours 机构名称 单位名称 单位 站点名称 场所 场馆 门店 "
    "店名 类型 类别 等级 面积 容量 状态"
)
SURNAMES: Final = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾萧田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈"
    "姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
