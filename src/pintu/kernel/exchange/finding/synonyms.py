"""What departments call one thing: a table of words, Chinese, English and the letters of pinyin."""

from __future__ import annotations

from typing import Final

WORDS: Final = """
id_number: 身份证号 身份证号码 身份证 公民身份号码 公民身份证号 证件号码 证件号 身份号码
  居民身份证号 idcard idno id_number id_card identity_number citizen_id national_id sfzh sfzhm sfz
  gmsfhm gmsfzh zjhm sfzjh
person_name: 姓名 人员姓名 名字 患者姓名 学生姓名 居民姓名 户主姓名 full_name person_name
  patient_name student_name xm hzxm xsxm ryxm
sex: 性别 性别代码 sex gender xb xbdm
birth: 出生日期 出生年月日 出生年月 生日 birth birthday birth_date date_of_birth dob csrq csny
phone: 联系电话 电话 手机 手机号 手机号码 联系方式 移动电话 电话号码 phone mobile telephone tel
  phone_number mobile_number contact_phone lxdh sjh sjhm dhhm
address: 地址 住址 家庭住址 家庭地址 居住地址 现住址 常住地址 详细地址 通讯地址 坐落 address
  home_address residence street_address jtzz jtdz dz zz xzz
household_address: 户籍地址 户口所在地 户籍所在地 hukou_address registered_residence hjdz hkszd
guardian: 监护人 监护人姓名 家长 家长姓名 guardian guardian_name parent parent_name jhr jhrxm
nation: 民族 民族代码 ethnicity ethnic_group nation mz mzdm
school: 学校 学校名称 就读学校 school school_name xx xxmc jdxx
school_class: 班级 班级名称 所在班级 class class_name bj bjmc
grade: 年级 grade nj
student_no: 学号 学籍号 student_no student_number student_id xh xjh
hospital: 医院 医院名称 医疗机构 接种单位 hospital hospital_name clinic medical_institution yy
  yymc jzdw
vaccinated: 是否接种 接种 已接种 接种情况 疫苗接种 vaccinated vaccination_status is_vaccinated
  sfjz
vaccination_date: 接种日期 接种时间 vaccination_date vaccinated_on jzrq jzsj
enterprise_name: 企业名称 单位名称 公司名称 机构名称 法人名称 市场主体名称 enterprise_name
  company_name company organisation_name organization_name firm_name qymc dwmc gsmc jgmc
credit_code: 统一社会信用代码 社会信用代码 信用代码 uscc credit_code social_credit_code
  unified_code tyshxydm shxydm
legal_person: 法定代表人 法人 法人代表 法人姓名 legal_representative legal_person fddbr frdb
registered_capital: 注册资本 注册资金 registered_capital capital zczb zczj
registered_on: 成立日期 注册日期 登记日期 registration_date established_on founded_on clrq zcrq
  djrq
industry: 行业 行业类别 行业代码 所属行业 industry industry_code sector hy hylb hydm
division: 行政区划 行政区划代码 区划代码 区县代码 division division_code region_code adcode
  area_code xzqh xzqhdm qhdm
district: 区 区县 区县名称 所属区 所在区 所属区县 行政区 district county district_name qx qxmc ssq
  ssqx
street: 街道 乡镇 镇街 所属街道 街道名称 乡镇街道 street subdistrict town township jd xz ssjd
community: 社区 村社 居委会 所属社区 社区名称 community neighbourhood village sq sqmc
road: 道路 道路名称 路名 所在道路 road road_name dl dlmc lm
longitude: 经度 东经 lon lng longitude x_coord jd jingdu
latitude: 纬度 北纬 lat latitude y_coord wd weidu
place: 位置 坐标 地点 经纬度 location position coordinates coordinate wz zb dd
altitude: 海拔 高程 altitude elevation hb gc
name: 名称 name title mc
code: 编号 编码 代码 code number no identifier bh bm dm
station: 站点 站点名称 测站 监测站 站名 监测点 station station_name site zd zdmc zm cz
station_code: 站点编号 测站编码 站号 站码 监测点编码 station_code station_id site_code zdbh czbm
  zh
device_code: 设备编号 设备编码 设备号 资产编号 device_id device_code equipment_no asset_code sbbh
  sbbm
device_type: 设备类型 设备类别 device_type equipment_type sblx
lamp_code: 灯杆编号 路灯编号 灯号 lamp_id lamp_code pole_code dgbh ldbh
status: 状态 运行状态 使用状态 当前状态 status state condition zt yxzt
online: 在线 是否在线 在线状态 online is_online sfzx
time: 时间 监测时间 采集时间 观测时间 上报时间 数据时间 time observed_at timestamp measured_at
  sampled_at sj jcsj cjsj gcsj
date: 日期 监测日期 统计日期 date day rq jcrq tjrq
updated: 更新时间 修改时间 最后更新 updated_at modified_at last_update gxsj xgsj
created: 创建时间 录入时间 入库时间 created_at entry_time cjsj lrsj rksj
year: 年份 年度 year nf nd
month: 月份 month yf
pm25: pm2.5 pm25 细颗粒物 pm2.5浓度 xklw
pm10: pm10 可吸入颗粒物 pm10浓度
so2: so2 二氧化硫 二氧化硫浓度 sulphur_dioxide sulfur_dioxide eyhl
no2: no2 二氧化氮 二氧化氮浓度 nitrogen_dioxide eyhd
ozone: o3 臭氧 臭氧浓度 ozone cy
co: co 一氧化碳 一氧化碳浓度 carbon_monoxide yyht
aqi: aqi 空气质量指数 air_quality_index kqzlzs
temperature: 温度 气温 水温 temperature temp air_temperature wd qw
humidity: 湿度 相对湿度 humidity relative_humidity sd xdsd
wind_speed: 风速 wind_speed fs
wind_direction: 风向 wind_direction fx
pressure: 气压 压力 pressure air_pressure qy yl
rainfall: 降雨量 雨量 降水量 rainfall precipitation jyl yl jsl
water_level: 水位 液位 water_level level sw yw
flow: 流量 瞬时流量 flow flow_rate discharge ll ssll
ph: ph ph值 酸碱度 ph_value
cod: cod 化学需氧量 chemical_oxygen_demand hxxyl
ammonia: 氨氮 ammonia ammonia_nitrogen nh3n ad
noise: 噪声 噪声值 分贝 noise noise_level zs
power: 功率 有功功率 power active_power gl
voltage: 电压 voltage dy
current: 电流 current dl
energy: 用电量 电量 耗电量 能耗 energy energy_use electricity ydl
water_use: 用水量 water_use water_consumption ysl
gas_use: 用气量 gas_use gas_consumption yql
area: 面积 建筑面积 占地面积 用地面积 area floor_area land_area mj jzmj zdmj
height: 高度 建筑高度 杆高 height gd jzgd
length: 长度 length cd
width: 宽度 width kd
depth: 深度 埋深 depth sd ms
diameter: 管径 直径 diameter pipe_diameter gj zj
material: 材质 材料 管材 material cz gc
floors: 层数 楼层数 floors storeys floor_count cs
built: 建成年份 建成时间 竣工时间 竣工日期 建造年代 built built_year year_built completed_on jcnf
  jgrq
project_name: 项目名称 工程名称 project project_name xmmc gcmc
project_code: 项目编号 项目代码 工程编号 project_code project_id xmbh xmdm
builder: 施工单位 承建单位 建设单位 contractor builder construction_unit sgdw jsdw
owner: 权属单位 产权单位 所有人 权利人 主管单位 owner owner_name qsdw cqdw qlr
manager: 管理单位 养护单位 责任单位 管养单位 manager maintainer management_unit gldw yhdw
certificate_no: 证书编号 许可证号 证照编号 产权证号 不动产权证号 certificate_no licence_no
  license_no permit_no zsbh xkzh zzbh cqzh
issued: 发证日期 颁发日期 issued_on issue_date fzrq
expires: 有效期至 有效期 到期日期 截止日期 expires expiry expiry_date valid_until yxqz yxq dqrq
plate: 车牌号 车牌号码 号牌号码 plate plate_number licence_plate cphm cph hphm
vehicle_type: 车辆类型 车型 vehicle_type car_type cllx cx
line: 线路 线路名称 公交线路 line route route_name xl xlmc
stop: 站台 公交站 站牌 stop bus_stop stop_name zt gjz
amount: 金额 总额 费用 amount sum fee total je ze fy
price: 单价 价格 price unit_price dj jg
count: 数量 人数 总数 count quantity number_of sl rs zs
population: 人口 人口数 常住人口 population residents rk rks czrk
age: 年龄 age nl
education: 学历 文化程度 education education_level xl whcd
marriage: 婚姻状况 婚姻 marital_status marriage hyzk
occupation: 职业 occupation job profession zy
employer: 工作单位 服务处所 employer workplace work_unit gzdw
diagnosis: 诊断 诊断结果 疾病名称 diagnosis disease diagnosis_result zd zdjg jbmc
blood: 血型 blood_type xx xuexing
insurance: 医保类型 参保类型 险种 insurance_type insurance yblx cblx xz
insured: 是否参保 参保状态 insured is_insured insurance_status sfcb cbzt
subsidy: 补贴金额 补助金额 救助金额 subsidy allowance benefit_amount btje bzje
disability: 残疾等级 残疾类别 disability disability_grade cjdj cjlb
category: 类别 类型 分类 种类 category type kind class lb lx fl
level: 等级 级别 level rank grade_level dj jb
remark: 备注 说明 描述 remark note notes comment description bz sm ms
complaint: 投诉内容 诉求内容 问题描述 complaint appeal problem tsnr sqnr
result: 结果 处理结果 办理结果 检查结果 result outcome disposal_result jg cljg bljg
department: 部门 主管部门 所属部门 处室 department agency bm zgbm ssbm
inspector: 检查人 巡查员 经办人 inspector operator handler jcr jbr
tree_species: 树种 tree_species species sz
pipe_code: 管线编号 管段编号 pipe_code pipe_id gxbh gdbh
manhole_code: 井盖编号 井号 manhole_id manhole_code jgbh jh
well_type: 井盖类型 井类型 manhole_type jglx
building_code: 楼栋编号 建筑编号 幢号 房屋编号 building_code building_id ldbh jzbh fwbh
building_name: 楼栋名称 建筑名称 小区名称 building_name estate_name ldmc jzmc xqmc
usage: 用途 使用性质 房屋用途 usage use purpose yt syxz
capacity: 容量 泊位数 车位数 床位数 capacity spaces beds rl bws cws
outlet_code: 排口编号 排放口编号 outfall_code outlet_code pkbh pfkbh
permit_holder: 持证单位 持证人 permit_holder holder czdw czr
"""
"""`concept: words`; a word may stand under several concepts when it is only letters."""


def table() -> dict[str, frozenset[str]]:
    """Word → the concepts it may mean."""
    found: dict[str, set[str]] = {}
    concept = ""
    for line in WORDS.strip().splitlines():
        head, colon, rest = line.partition(": ")
        if colon and not line.startswith(" "):
            concept, line = head, rest
        for word in line.split():
            found.setdefault(word.casefold().replace("_", "").replace(".", ""), set()).add(concept)
    return {word: frozenset(concepts) for word, concepts in found.items()}
