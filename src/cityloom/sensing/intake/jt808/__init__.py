"""JT/T 808-2019 (道路运输车辆卫星定位系统 终端通讯协议及数据格式); terminals of 2013 and 2011 are understood."""
