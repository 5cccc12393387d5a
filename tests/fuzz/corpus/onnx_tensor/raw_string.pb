
Bt2string2string2string2string2string2string